// What a page's uploads come to: from the pick of the first file to the end of the last, and the
// longest task of the page's own thread meanwhile. The bench asks for `window.outcome`.
const longest = { ms: 0, tasks: 0 };
let began;

new PerformanceObserver((list) => {
  for (const { startTime, duration } of list.getEntries()) {
    if (began === undefined || startTime + duration < began) continue;
    longest.ms = Math.max(longest.ms, duration);
    longest.tasks += 1;
  }
}).observe({ type: "longtask" });

export function pickedBy(input, then) {
  input.addEventListener("change", () => {
    began = performance.now();
    then?.([...input.files]);
  }, { capture: true });
}

export function over(more) {
  const ms = performance.now() - began;
  // A task is told after it has ended.
  setTimeout(() => { window.outcome = { ms, longestTaskMs: longest.ms, longTasks: longest.tasks, ...more }; }, 300);
}

export function failed(error) {
  window.outcome = { error: String(error?.message ?? error) };
}
