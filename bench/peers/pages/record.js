// What a page's uploads come to: from the pick of the first file to the end of the last, the longest
// task of the page's own thread meanwhile, and how long the browser was busy with the pick before the
// page heard of it. The bench asks for `window.outcome`.
const longest = { ms: 0, tasks: 0, pickMs: 0 };
const LONG_MS = 50;
let began;

new PerformanceObserver((list) => {
  for (const { startTime, duration } of list.getEntries()) {
    if (began === undefined || startTime + duration < began) continue;
    const pickMs = Math.max(0, began - startTime);
    longest.pickMs = Math.max(longest.pickMs, pickMs);
    if (duration - pickMs < LONG_MS) continue;
    longest.ms = Math.max(longest.ms, duration - pickMs);
    longest.tasks += 1;
  }
}).observe({ type: "longtask" });

export function pickedBy(input, then) {
  input.addEventListener("change", () => {
    begin();
    then?.(input.files);
  }, { capture: true });
}

export function begin() {
  began = performance.now();
}

export function over(more) {
  const ms = performance.now() - began;
  // A task is told after it has ended.
  setTimeout(() => { window.outcome = { ms, longestTaskMs: longest.ms, longTasks: longest.tasks, pickTaskMs: longest.pickMs, ...more }; }, 300);
}

export function failed(error) {
  window.outcome = { error: String(error?.message ?? error) };
}
