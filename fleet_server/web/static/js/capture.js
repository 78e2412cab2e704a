// One capture: a plot for each channel, around the moment at which the rule fired.

import { Plot } from "./chart.js";
import { t } from "./console.js";

const LEAST_ZOOM_MS = 20;

const box = document.getElementById("capture");
const plots = []; // [Plot, series]
let whole = [0, 0];
let zooms = []; // [from, to] in ms, the innermost last

// As a history's series: ms of UTC, and a raw point has value = low = high.
function series(trace, fired) {
  const at = (us) => fired + us / 1000;
  return { channel: trace.channel, t: trace.t.map(at), value: trace.value, low: trace.value, high: trace.value, quality: trace.quality, gaps: trace.gaps.map(([from, to]) => [at(from), at(to)]) };
}

function show() {
  const [from, to] = zooms.at(-1) ?? whole;
  for (const [plot, one] of plots) plot.set(one, from, to);
}

function zoomed(from, to) {
  if (to - from < LEAST_ZOOM_MS) [from, to] = [(from + to - LEAST_ZOOM_MS) / 2, (from + to + LEAST_ZOOM_MS) / 2];
  zooms.push([from, to]);
  show();
}

function back() {
  if (zooms.pop()) show();
}

async function load() {
  try {
    const answer = await fetch(`/api/v1/devices/${box.dataset.device}/captures/${box.dataset.capture}`, { headers: { accept: "application/json" } });
    if (!answer.ok) throw new Error(String(answer.status));
    const capture = await answer.json();
    const fired = Date.parse(capture.fired_at);
    const traces = capture.traces.map((trace) => series(trace, fired));
    const times = traces.flatMap((one) => [one.t[0], one.t.at(-1)]).concat(fired);
    const [first, last] = [Math.min(...times), Math.max(...times)];
    const room = Math.max((last - first) * 0.01, 1);
    whole = [first - room, last + room];
    traces.forEach((one, i) => plots.push([new Plot(box, one, i, { main: traces.length === 1, zoomed, back, mark: fired }), one]));
    show();
  } catch {
    box.append(Object.assign(document.createElement("p"), { className: "age", textContent: t("js.capture_failed") }));
  } finally {
    box.setAttribute("aria-busy", "false");
  }
}

if (box) {
  document.addEventListener("hutong:theme", () => {
    for (const [plot] of plots) plot.paint();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && zooms.length && !document.querySelector("dialog[open]")) back();
  });
  load();
}
