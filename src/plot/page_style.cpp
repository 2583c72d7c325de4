#include "plot/page_style.hpp"

namespace vae_dist::plot {

const std::string_view kPageStyle = R"css(
:root {
  color-scheme: light dark;
  --paper: #ffffff; --ink: #1b1f24; --quiet: #59626d; --rule: #c9d0d8; --grid: #e7ebef; --panel: #f5f7f9; --link: #0b5cad;
  --warn: #8a4b00; --warn-paper: #fff4e0; --bad: #c62828; --mark: #fff1c9;
  --s0: #1f6fb4; --s1: #d1580f; --s2: #2a8a57; --s3: #a63d8f; --s4: #8a6d00; --s5: #0f8a96; --s6: #c2334d; --s7: #6b5bd0;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #14171b; --ink: #e4e8ec; --quiet: #9aa5b1; --rule: #48515b; --grid: #2a3038; --panel: #1c2127; --link: #7db8f0;
    --warn: #ffc46b; --warn-paper: #33260f; --bad: #ff7b72; --mark: #3d3315;
    --s0: #62aef0; --s1: #f59a56; --s2: #5fc98e; --s3: #dd8acb; --s4: #d9b93b; --s5: #4cc6d2; --s6: #f2798d; --s7: #a99df5;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0 auto; max-width: 1180px; padding: 24px 20px 64px; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif; overflow-wrap: break-word; }
h1 { margin: 0 0 4px; font-size: 1.9rem; line-height: 1.2; letter-spacing: -0.01em; }
h2 { margin: 48px 0 12px; padding-top: 12px; border-top: 1px solid var(--rule); font-size: 1.35rem; line-height: 1.3; }
h3 { margin: 24px 0 8px; font-size: 1.05rem; }
p, main > ul { margin: 8px 0 12px; max-width: 75ch; }
a { color: var(--link); }
code { font: 0.88em ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; }
.subtitle { margin: 0; color: var(--quiet); }
nav ul { display: flex; flex-wrap: wrap; gap: 4px 18px; margin: 14px 0 0; padding: 0; list-style: none; }
.warning { max-width: none; padding: 10px 14px; border-left: 4px solid var(--warn); background: var(--warn-paper); }
.note, figcaption { color: var(--quiet); font-size: 0.88rem; }
.facts { display: grid; grid-template-columns: repeat(auto-fill, minmax(145px, 1fr)); gap: 10px; margin: 20px 0; }
.facts > div { padding: 10px 14px; background: var(--panel); border-radius: 8px; }
.facts dt { color: var(--quiet); font-size: 0.85rem; }
.facts dd { margin: 0; font-size: 0.82rem; }
.facts .value { font-size: 1.35rem; line-height: 1.3; font-variant-numeric: tabular-nums; }
.wide { overflow-x: auto; margin: 12px 0; }
table { border-collapse: collapse; font-size: 0.9rem; font-variant-numeric: tabular-nums; }
caption { padding: 4px 0; text-align: left; color: var(--quiet); }
th, td { padding: 5px 14px 5px 0; border-bottom: 1px solid var(--grid); text-align: left; vertical-align: top; }
th { border-bottom-color: var(--rule); color: var(--quiet); font-weight: 600; }
td { overflow-wrap: break-word; max-width: 34em; }
td .note { max-width: 60ch; }
.numbers td, .numbers th { white-space: nowrap; }
.numbers td:not(:first-child), .numbers th:not(:first-child) { text-align: right; padding-right: 0; padding-left: 18px; }
.marked td { background: var(--mark); }
.marked td:first-child { font-weight: 600; }
details { margin: 12px 0; }
summary { cursor: pointer; color: var(--link); }
figure { margin: 0; }
.side-by-side { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 440px), 1fr)); gap: 0 28px; margin: 16px 0; }
.side-by-side > * { min-width: 0; margin-bottom: 28px; }
/* Titles, legends, drawings and notes of neighbouring charts share rows, so that their axes line up. */
@supports (grid-template-rows: subgrid) {
  .side-by-side > .plot { display: grid; grid-row: span 4; grid-template-rows: subgrid; grid-template-columns: 100%; }
  .plot > .legend { grid-row: 2; } .plot > .chart { grid-row: 3; } .plot > .note { grid-row: 4; }
}
.plot > figcaption { color: var(--ink); font-weight: 600; font-size: 0.95rem; }
.plot .note { margin: 2px 0 0; }
.legend { display: flex; flex-wrap: wrap; gap: 0 16px; margin: 2px 0; padding: 0; list-style: none; font-size: 0.85rem; color: var(--quiet); }
.key { display: inline-block; width: 18px; height: 0; margin-right: 6px; vertical-align: middle; border-top: 3px solid var(--c); }
.key-dashed { border-top-style: dashed; }
.key-dot, .key-ring { width: 9px; height: 9px; border-radius: 50%; border: 0; background: var(--c); }
.key-ring { border: 1.5px solid var(--quiet); background: none; }
.key-area { width: 12px; height: 12px; border: 0; background: var(--c); border-radius: 2px; }
.c0 { --c: var(--s0); } .c1 { --c: var(--s1); } .c2 { --c: var(--s2); } .c3 { --c: var(--s3); }
.c4 { --c: var(--s4); } .c5 { --c: var(--s5); } .c6 { --c: var(--s6); } .c7 { --c: var(--s7); }
.chart { display: block; width: 100%; height: auto; overflow: visible; }
.chart text { fill: var(--quiet); font-size: 11.5px; font-variant-numeric: tabular-nums; }
.chart .axis, .chart .reference-label { fill: var(--ink); }
.chart .reference-label { paint-order: stroke; stroke: var(--paper); stroke-width: 3px; stroke-linejoin: round; }
.grid { stroke: var(--grid); } .faint { stroke: var(--grid); stroke-opacity: 0.5; } .rule { stroke: var(--rule); }
.line { fill: none; stroke: var(--c); stroke-width: 1.8; stroke-linejoin: round; stroke-linecap: round; }
.line.dashed { stroke-dasharray: 6 4; }
.area { fill: var(--c); fill-opacity: 0.2; } .bar, .dot { fill: var(--c); }
.point { fill: none; stroke: var(--c); stroke-width: 2.6; stroke-linecap: round; }
.depth0 { stroke-opacity: 0.45; } .depth1 { stroke-opacity: 0.75; }
.circle { fill: none; stroke: var(--ink); stroke-opacity: 0.6; stroke-dasharray: 4 3; }
.reference { stroke: var(--ink); stroke-opacity: 0.55; stroke-dasharray: 2 3; }
.bad { fill: none; stroke: var(--bad); stroke-width: 1.8; }
.picture img { display: block; max-width: 100%; height: auto; border-radius: 6px; background: #fff; }
.picture figcaption { margin-top: 4px; }
.slider { min-width: 0; }
.slider h3 { margin-top: 0; }
.slider input { display: block; width: 100%; margin: 8px 0; accent-color: var(--s0); }
.slider [hidden] { display: none; }
.slider details .picture { margin: 12px 0; }
.equation { margin: 12px 0; padding: 6px 0; overflow-x: auto; overflow-y: hidden; }
.equation math { width: max-content; font-size: 1.15em; }
/* Many fonts, such as DejaVu, would leave a subscript on the baseline. Padding above it makes the browser lower it. */
msub > :nth-child(2), msubsup > :nth-child(2) { padding-top: 0.3em; }
.equation figcaption { margin-top: 2px; }
@media (max-width: 560px) {
  body { padding: 16px 14px 48px; }
  h1 { font-size: 1.5rem; }
  .facts { grid-template-columns: repeat(2, 1fr); }
  .facts > div { padding: 8px 10px; }
  .chart text { font-size: 14px; }
  .line { stroke-width: 2.2; }
  .equation math { font-size: 1em; }
}
)css";

const std::string_view kSliderScript = R"js(
"use strict";
for (const slider of document.querySelectorAll(".slider")) {
  const range = slider.querySelector("input"), list = slider.querySelector("details");
  if (!range) continue;
  const image = slider.querySelector(":scope > figure img"), caption = slider.querySelector(":scope > figure figcaption");
  const pictures = [...list.querySelectorAll("img"), image].map(each => ({source: each.src, label: each.alt, width: each.width, height: each.height}));
  range.hidden = false;
  list.hidden = true;
  range.addEventListener("input", () => {
    const chosen = pictures[range.valueAsNumber];
    image.src = chosen.source;
    image.alt = caption.textContent = chosen.label;
    range.setAttribute("aria-valuetext", chosen.label);
  });
}
)js";

const std::string_view kPagePolicy =
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src "
    "'sha256-MzYyH0mPUPcb4vo03+6aITSAZd7wj931/vLfk5EvhY8='; base-uri 'none'; form-action 'none'";

}  // namespace vae_dist::plot
