// How <longhaul-upload> looks. A sheet that a script makes is the script's: no policy for inline styles
// is in its way.
import { sheet } from "./longhaul-dom.js";

// Those of the page, by its custom properties; and what stands beside text is made of its colour.
export const COLOURS = sheet(`
:host {
  display: block;
  --accent: var(--longhaul-accent, #2457c5);
  --good: var(--longhaul-good, #1d7a4c);
  --bad: var(--longhaul-bad, #b3261e);
  --line: color-mix(in srgb, currentColor 18%, transparent);
  --faint: color-mix(in srgb, currentColor 64%, transparent);
  --surface: color-mix(in srgb, currentColor 4%, transparent);
}
@media (prefers-color-scheme: dark) {
  :host {
    --accent: var(--longhaul-accent, #86aaff);
    --good: var(--longhaul-good, #6fd3a0);
    --bad: var(--longhaul-bad, #ff9d94);
  }
}
`);

export const STYLE = sheet(`
[part=drop] {
  position: relative;
  display: grid;
  justify-items: center;
  gap: .35rem;
  padding: 2.25rem 1rem;
  text-align: center;
  border: 1.5px dashed var(--line);
  border-radius: 14px;
  background: var(--surface);
  transition: border-color .15s, background-color .15s;
}
[part=drop]:hover, [part=drop].over { border-color: var(--accent); }
[part=drop].over { background: color-mix(in srgb, var(--accent) 10%, transparent); }
[part=drop]:focus-within { outline: 3px solid color-mix(in srgb, var(--accent) 55%, transparent); outline-offset: 2px; }
/* The input itself lies over the whole area: it is clicked, focused and dropped on like any other. */
[part=drop] > input { position: absolute; inset: 0; width: 100%; opacity: 0; cursor: pointer; font-size: 0; }
[part=drop] strong { color: var(--accent); font-weight: 600; font-size: 1.05rem; }
[part=drop] span, [part=status], [part=size], [part=path], [part=total-pace] { color: var(--faint); }
[part=drop] span { font-size: .92rem; }
[part=drop] .buttons { position: relative; }
[part=drop] button { margin-top: .5rem; }
[part=drop]:has(:disabled) { opacity: .5; }
/* What is dragged onto it comes to the area. */
[part=drop] :disabled { pointer-events: none; }
[part=notice] { margin: .75rem 0 0; color: var(--bad); }
[part=notice].mild { color: var(--faint); }
[part=notice]:empty, [part=error]:empty { display: none; }
[part=total], [part=unfinished] { margin-top: 1rem; padding: .85rem 1rem; display: grid; gap: .5rem; border-radius: 12px; background: var(--surface); }
[part=total] .head { flex-wrap: wrap; gap: .15rem .75rem; font-variant-numeric: tabular-nums; }
[part=total-pace] { font-size: .92rem; }
[part=total] .buttons { flex-wrap: wrap; }
[part=unfinished-row] { display: flex; gap: .75rem; align-items: center; flex-wrap: wrap; min-width: 0; }
[part=unfinished-row] .names { flex: 1 1 12rem; }
ul { list-style: none; margin: 0; padding: 0; display: grid; gap: .75rem; }
.scroller { margin-top: 1rem; }
[part=row] { border: 1px solid var(--line); border-radius: 12px; padding: .85rem 1rem; display: grid; gap: .5rem; }
[part=row]:focus-visible, .scroller:focus-visible { outline: 3px solid color-mix(in srgb, var(--accent) 55%, transparent); outline-offset: -3px; }
.head, .foot { display: flex; gap: .75rem; align-items: center; justify-content: space-between; min-width: 0; }
.foot { align-items: flex-start; flex-wrap: wrap; }
.names { display: flex; min-width: 0; flex: 1; }
[part=thumbnail] { width: 40px; height: 40px; flex: none; border-radius: 6px; }
[part=name] { flex: 0 0 auto; max-width: 100%; box-sizing: border-box; font-weight: 600; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
/* The name is read first: of both too long the folders give way. */
[part=path] { flex: 0 1 auto; overflow: hidden; text-overflow: ellipsis; white-space: pre; }
[part=size] { flex: none; font-size: .9rem; font-variant-numeric: tabular-nums; }
.standing { min-height: 1.9em; display: flex; align-items: center; flex: 1 1 16rem; }
[part=status] { font-size: .92rem; font-variant-numeric: tabular-nums; }
[part=error] { margin: 0; color: var(--bad); font-size: .92rem; }
progress {
  appearance: none; width: 100%; height: 8px; border: 0; border-radius: 4px; overflow: hidden;
  background: var(--line);
}
progress::-webkit-progress-bar { background: transparent; }
progress::-webkit-progress-value { background: var(--bar, var(--accent)); border-radius: 4px; }
progress::-moz-progress-bar { background: var(--bar, var(--accent)); border-radius: 4px; }
[data-state=done] { --bar: var(--good); }
[data-state=done] [part=status] { color: var(--good); }
[data-state=failed] { --bar: var(--bad); }
[data-state=paused], [data-state=queued], [data-state=elsewhere], [data-state=cancelled], [data-state=waiting], [data-state=renewing] { --bar: var(--faint); }
.buttons { display: flex; gap: .4rem; }
button, a[part=link] {
  font: inherit; font-size: .88rem; line-height: 1.2; padding: .35rem .75rem; cursor: pointer;
  color: inherit; background: transparent; border: 1px solid var(--line); border-radius: 8px; text-decoration: none;
}
button:hover, a[part=link]:hover { border-color: var(--accent); color: var(--accent); }
button:focus-visible, a:focus-visible { outline: 3px solid color-mix(in srgb, var(--accent) 55%, transparent); outline-offset: 1px; }
/* More rows than are read without scrolling: they scroll by themselves, and each is a strip. */
.many {
  max-height: var(--longhaul-list-height, min(70vh, 34rem)); overflow-y: auto; overflow-anchor: none;
  border: 1px solid var(--line); border-radius: 12px;
}
.many ul { display: block; position: relative; }
.many [part=row] {
  position: absolute; inset: 0 0 auto; box-sizing: border-box; border: 0; border-bottom: 1px solid var(--line);
  border-radius: 0; padding: .4rem .75rem; gap: .2rem .75rem; background: transparent;
  grid-template-columns: minmax(0, 1fr) minmax(0, auto);
}
.many [part=row] > progress { height: 3px; grid-area: 2 / 1 / 3 / 3; }
.many [part=row] > .head { grid-area: 1 / 1; }
.many [part=row] > .foot { grid-area: 1 / 2; flex-wrap: nowrap; align-items: center; }
.many [part=row] > [part=error] { grid-column: 1 / 3; }
.many .standing { flex: 0 1 auto; min-height: 0; text-align: end; }
.many [part=status] { font-size: .88rem; }
@media (max-width: 40rem) {
  .many [part=row] > .foot { grid-area: 3 / 1 / 4 / 3; justify-content: space-between; }
  .many [part=row] > .head { grid-area: 1 / 1 / 2 / 3; }
}
.many [part=thumbnail] { width: 20px; height: 20px; border-radius: 3px; }
[hidden] { display: none !important; }
.quiet { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
/* Colours of the person's own: bars would be of one colour with what they run in. */
@media (forced-colors: active) {
  progress { border: 1px solid CanvasText; background: Canvas; forced-color-adjust: none; }
  progress::-webkit-progress-value { background: Highlight; }
  progress::-moz-progress-bar { background: Highlight; }
}
@media (prefers-reduced-motion: reduce) { * { transition: none !important; } }
`);
