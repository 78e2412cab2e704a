// Plots of one channel each, that share their time axis and cursor: figures with envelope, states as bands.
// A chart shows what is known and no more: a gap is hatched, a doubtful point marked.

import { language } from "./console.js";
import { groupDigits, number, qualityClass, unit } from "./format.js";

const SYNC = "history";
const MARKS_MOST = 150;
const AXIS = 58;
const COLOURS = ["--series-1", "--series-2", "--series-3", "--series-4"];

// A colour token's value in the present theme: a canvas does not know custom properties.
export function token(name) {
  const probe = document.createElement("i");
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const colour = getComputedStyle(probe).color;
  probe.remove();
  return colour;
}

const TIMES = [
  [31536000, "{YYYY}", null, null, null, null, null, null, 1],
  [2419200, "{YYYY}-{MM}", null, null, null, null, null, null, 1],
  [86400, "{MM}-{DD}", "\n{YYYY}", null, null, null, null, null, 1],
  [3600, "{HH}:{mm}", "\n{MM}-{DD}", null, "\n{MM}-{DD}", null, null, null, 1],
  [60, "{HH}:{mm}", "\n{MM}-{DD}", null, "\n{MM}-{DD}", null, null, null, 1],
  [1, "{HH}:{mm}:{ss}", "\n{MM}-{DD}", null, "\n{MM}-{DD}", null, null, null, 1],
  [0.001, "{ss}.{fff}", "\n{HH}:{mm}", null, "\n{HH}:{mm}", null, null, null, 1],
];

const GAP_PERIODS = 3; // as the server's history counts it

// Columns for uPlot: [t in s, value, low, high, quality], with a null where a gap lies between two points.
export function columns(series) {
  const out = [[], [], [], [], []];
  let gap = 0;
  series.t.forEach((at, i) => {
    while (gap < series.gaps.length && series.gaps[gap][0] <= at) {
      const [from, to] = series.gaps[gap++];
      if (i > 0 && to > series.t[i - 1]) push(out, Math.max(from, series.t[i - 1] + 1), null, null, null, 0);
    }
    push(out, at, series.value[i], series.low[i], series.high[i], series.quality[i]);
  });
  return out;
}

function push(out, at, ...rest) {
  out[0].push(at / 1000);
  rest.forEach((value, i) => out[i + 1].push(value));
}

export class Plot {
  // `zoomed(fromMs, toMs)` and `back()` are called for a drag and for a double click. `mark` is a moment in ms that is
  // drawn as a line.
  constructor(parent, series, index, { main, zoomed, back, mark = null }) {
    this.channel = series.channel;
    this.isState = series.channel.kind === "state";
    this.colour = COLOURS[index % COLOURS.length];
    this.zoomed = zoomed;
    this.back = back;
    this.mark = mark;
    this.figure = document.createElement("figure");
    this.figure.className = `plot${this.isState ? " is-state" : ""}${main ? " is-main" : ""}`;
    this.figure.dataset.channel = series.channel.name;
    this.figure.innerHTML = '<figcaption class="caption"><span class="name"></span><span class="unit"></span><span class="readout"></span></figcaption><div class="canvas"></div>';
    this.figure.querySelector(".name").textContent = series.channel.title[language] ?? series.channel.name;
    this.figure.querySelector(".unit").textContent = this.isState ? "" : unit(series.channel.unit);
    parent.append(this.figure);
    this.canvas = this.figure.querySelector(".canvas");
    this.readout = this.figure.querySelector(".readout");
    this.observer = new ResizeObserver(() => this.plot?.setSize(this.size()));
  }

  size() {
    return { width: Math.max(this.canvas.clientWidth, 160), height: this.canvas.clientHeight };
  }

  set(series, from, to) {
    this.series = series;
    this.range = [from / 1000, to / 1000];
    this.figure.dataset.gaps = String(series.gaps.length);
    const data = columns(series);
    this.qualities = data.pop();
    if (this.plot) this.plot.setData(data, true);
    else this.make(data);
    this.rest();
  }

  // A live point: appended, and the window moves on. True if it left a gap, which history may have filled meanwhile.
  append(at, value, quality, from, to) {
    const { series } = this;
    const last = series.t[series.t.length - 1];
    if (at <= last) {
      this.move(from, to);
      return false;
    }
    const gap = at - last > GAP_PERIODS * series.channel.period_ms && series.channel.period_ms > 0;
    if (gap) series.gaps.push([last + 1, at]);
    for (const [list, item] of [[series.t, at], [series.value, value], [series.low, value], [series.high, value], [series.quality, quality]]) list.push(item);
    const first = series.t.findIndex((t) => t >= from - 60_000);
    if (first > 500) for (const list of [series.t, series.value, series.low, series.high, series.quality]) list.splice(0, first);
    this.set(series, from, to);
    return gap;
  }

  move(from, to) {
    this.range = [from / 1000, to / 1000];
    this.plot?.setScale("x", { min: this.range[0], max: this.range[1] });
  }

  make(data) {
    const { uPlot } = window;
    this.paint();
    const wide = !this.isState;
    this.plot = new uPlot(
      {
        ...this.size(),
        padding: [8, 12, 0, 0],
        legend: { show: false },
        cursor: {
          // Others follow the cursor alone: a drag that they followed too would zoom once for each of them.
          sync: { key: SYNC, setSeries: false, filters: { pub: (type) => type === "mousemove" || type === "mouseleave" } },
          drag: { x: true, y: false, setScale: false },
          points: { show: wide, size: 7 },
          bind: { dblclick: () => () => this.back() },
        },
        scales: {
          x: { time: true, range: () => this.range },
          y: wide ? { range: (u, low, high) => this.span(low, high) } : { range: [0, 1] },
        },
        axes: [
          { stroke: () => this.colours.ink, grid: { stroke: () => this.colours.grid, width: 1 }, ticks: { stroke: () => this.colours.grid, size: 4 }, values: TIMES, font: this.font, size: 34, space: 70 },
          { show: true, stroke: () => this.colours.ink, grid: { show: wide, stroke: () => this.colours.grid, width: 1 }, ticks: { show: false }, size: AXIS, font: this.font, gap: 6,
            values: (u, splits) => splits.map((value) => (wide ? number(value) : "")) },
        ],
        series: [
          {},
          { stroke: () => this.colours.line, width: 1.5, points: { show: false }, paths: wide ? (this.channel.kind === "counter" ? uPlot.paths.stepped({ align: 1 }) : undefined) : () => null },
          { stroke: "transparent", width: 0, points: { show: false }, paths: wide ? undefined : () => null },
          { stroke: "transparent", width: 0, points: { show: false }, paths: wide ? undefined : () => null },
        ],
        bands: wide ? [{ series: [3, 2], fill: () => this.colours.band }] : [],
        hooks: {
          drawClear: [(u) => this.drawGaps(u)],
          draw: [(u) => (wide ? this.drawMarks(u) : this.drawStates(u)), (u) => this.mark !== null && this.drawMoment(u)],
          setCursor: [(u) => this.read(u)],
          setSelect: [(u) => {
            if (u.select.width < 6) return;
            const [from, to] = [u.posToVal(u.select.left, "x"), u.posToVal(u.select.left + u.select.width, "x")];
            u.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
            this.zoomed(from * 1000, to * 1000);
          }],
        },
      },
      data,
      this.canvas,
    );
    this.observer.observe(this.canvas);
  }

  // The theme's colours, as a canvas wants them.
  paint() {
    const line = token(this.colour);
    this.colours = { line, band: line.replace("rgb(", "rgba(").replace(")", ", 0.2)"), ink: token("--ink-3"), grid: token("--line"), hatch: token("--hatch"),
      bad: token("--bad"), uncertain: token("--uncertain"), panel: token("--panel"), text: token("--ink") };
    this.font = `11px ${getComputedStyle(document.body).fontFamily}`;
    this.plot?.redraw(false, false);
  }

  isWhole() {
    return this.series.value.every((value) => value === null || Number.isInteger(value));
  }

  // Room above and below; a flat line stays in the middle and never fills the scale with its noise.
  span(low, high) {
    if (low === null || high === null) return [0, 1];
    // Of a channel with decimal places a few steps of the last one; of a float, which has none, a hundredth.
    const steps = this.channel.scale || this.isWhole() ? 4 * 10 ** this.channel.scale : Math.abs(high) * 0.01;
    const least = Math.max(steps, Math.abs(high) * 1e-4, 1e-9);
    const room = Math.max((high - low) * 0.1, (least - (high - low)) / 2, 0) || least;
    return [low >= 0 && low - room < 0 ? 0 : low - room, high + room];
  }

  drawGaps(u) {
    const { ctx } = u;
    const { left, top, width, height } = u.bbox;
    ctx.save();
    ctx.beginPath();
    ctx.rect(left, top, width, height);
    ctx.clip();
    ctx.strokeStyle = this.colours.hatch;
    ctx.lineWidth = devicePixelRatio;
    for (const [from, to] of this.series.gaps) {
      const x0 = Math.max(u.valToPos(from / 1000, "x", true), left);
      const x1 = Math.min(u.valToPos(to / 1000, "x", true), left + width);
      if (x1 - x0 < 1) continue;
      ctx.save();
      ctx.beginPath();
      ctx.rect(x0, top, x1 - x0, height);
      ctx.clip();
      ctx.globalAlpha = 0.5;
      ctx.beginPath();
      const step = 7 * devicePixelRatio;
      for (let x = x0 - height - ((x0 - height) % step); x < x1; x += step) {
        ctx.moveTo(x, top + height);
        ctx.lineTo(x + height, top);
      }
      ctx.stroke();
      ctx.restore();
    }
    ctx.restore();
  }

  // Doubtful points: a strip along the foot, and the shape of the state at each point while these are few.
  drawMarks(u) {
    const { ctx } = u;
    const { left, top, width, height } = u.bbox;
    const [xs, ys] = u.data;
    const scale = devicePixelRatio;
    const marks = [];
    ctx.save();
    xs.forEach((at, i) => {
      const kind = qualityClass(this.qualities[i] ?? 0);
      if (kind === "good" || kind === "absent" || at < this.range[0] || at > this.range[1]) return;
      const x = u.valToPos(at, "x", true);
      const next = i + 1 < xs.length ? u.valToPos(xs[i + 1], "x", true) : x + 3 * scale;
      ctx.fillStyle = this.colours[kind];
      ctx.fillRect(Math.max(x, left), top + height - 5 * scale, Math.max(2 * scale, Math.min(next, left + width) - x), 5 * scale);
      const last = marks.at(-1);
      const apart = !last || last[2] !== kind || x - last[0] > 8 * scale; // a run of them needs one mark, not a blot
      if (ys[i] !== null && apart) marks.push([x, u.valToPos(ys[i], "y", true), kind]);
    });
    if (marks.length <= MARKS_MOST) for (const [x, y, kind] of marks) shape(ctx, x, y, kind, this.colours, scale);
    ctx.restore();
  }

  drawMoment(u) {
    const { ctx } = u;
    const { left, top, width, height } = u.bbox;
    const x = Math.round(u.valToPos(this.mark / 1000, "x", true));
    if (x < left || x > left + width) return;
    ctx.save();
    ctx.strokeStyle = this.colours.bad;
    ctx.lineWidth = 2 * devicePixelRatio;
    ctx.beginPath();
    ctx.moveTo(x, top);
    ctx.lineTo(x, top + height);
    ctx.stroke();
    ctx.restore();
  }

  drawStates(u) {
    const { ctx } = u;
    const { left, top, width, height } = u.bbox;
    const [xs, values] = u.data;
    const scale = devicePixelRatio;
    ctx.save();
    ctx.beginPath();
    ctx.rect(left, top, width, height);
    ctx.clip();
    ctx.textBaseline = "middle";
    ctx.textAlign = "left"; // the axes leave another
    ctx.font = `${11 * scale}px ${getComputedStyle(document.body).fontFamily}`;
    for (let i = 0; i < xs.length; ) {
      let end = i + 1;
      const bad = qualityClass(this.qualities[i] ?? 0);
      while (end < xs.length && values[end] === values[i] && qualityClass(this.qualities[end] ?? 0) === bad) end += 1;
      if (values[i] !== null) {
        const x0 = Math.max(u.valToPos(xs[i], "x", true), left);
        const until = end < xs.length ? xs[end] : Math.min(xs[end - 1] + this.channel.period_ms / 1000, this.range[1]);
        const x1 = Math.min(u.valToPos(until, "x", true), left + width);
        if (x1 > left && x0 < left + width) this.drawState(ctx, x0, Math.max(x1, x0 + scale), top, height, values[i], bad, scale);
      }
      i = end;
    }
    ctx.restore();
  }

  drawState(ctx, x0, x1, top, height, value, kind, scale) {
    const index = Object.keys(this.channel.states).indexOf(String(Math.round(value)));
    const rest = index <= 0;
    ctx.fillStyle = kind === "good" ? (rest ? this.colours.grid : token(COLOURS[(index - 1) % COLOURS.length])) : this.colours[kind];
    ctx.globalAlpha = kind === "good" ? 1 : 0.6;
    ctx.fillRect(x0, top + height * 0.12, x1 - x0, height * 0.76);
    ctx.globalAlpha = 1;
    const word = this.word(value);
    if (ctx.measureText(word).width + 10 * scale > x1 - x0) return;
    ctx.fillStyle = rest && kind === "good" ? this.colours.text : this.colours.panel;
    ctx.fillText(word, x0 + 6 * scale, top + height / 2);
  }

  word(value) {
    const words = this.channel.states[Math.round(value)];
    return words ? (words[language] ?? Object.values(words)[0]) : groupDigits(String(value));
  }

  text(value) {
    if (value === null || value === undefined) return "–";
    return this.isState ? this.word(value) : this.figureOf(value);
  }

  // As exact as the channel is; one without decimal places may be a float, whose length tells nothing.
  figureOf(value) {
    return this.channel.scale < 0 ? number(value, -this.channel.scale) : number(value);
  }

  read(u) {
    const i = u.cursor.idx;
    if (i === null || i === undefined || u.cursor.left < 0) return this.rest();
    const [xs, values, lows, highs] = u.data;
    const envelope = !this.isState && lows[i] !== highs[i] && lows[i] !== null ? `  (${this.figureOf(lows[i])} … ${this.figureOf(highs[i])})` : "";
    this.readout.textContent = `${this.time(xs[i])}  ${this.text(values[i])}${envelope}`;
    this.readout.dataset.quality = qualityClass(this.qualities[i] ?? 0);
  }

  // Without a cursor: the reach of what is shown, and for a counter its increase.
  rest() {
    const inside = this.series.value.filter((value, i) => value !== null && this.series.t[i] >= this.range[0] * 1000 && this.series.t[i] <= this.range[1] * 1000);
    const lows = this.series.low.filter((value) => value !== null);
    const highs = this.series.high.filter((value) => value !== null);
    if (this.isState || !inside.length) this.readout.textContent = "";
    else if (this.channel.kind === "counter") this.readout.textContent = `+${this.figureOf(inside[inside.length - 1] - inside[0])} ${unit(this.channel.unit)}`;
    else this.readout.textContent = `${this.figureOf(lows.reduce((a, b) => Math.min(a, b)))} … ${this.figureOf(highs.reduce((a, b) => Math.max(a, b)))}`;
  }

  time(seconds) {
    const at = new Date(seconds * 1000);
    const two = (n) => String(n).padStart(2, "0");
    const day = this.range[1] - this.range[0] > 86400 ? `${two(at.getMonth() + 1)}-${two(at.getDate())} ` : "";
    const ms = this.range[1] - this.range[0] < 600 ? `.${String(at.getMilliseconds()).padStart(3, "0")}` : "";
    return `${day}${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}${ms}`;
  }

  destroy() {
    this.observer.disconnect();
    this.plot?.destroy();
    this.figure.remove();
  }
}

function shape(ctx, x, y, kind, colours, scale) {
  const r = 3.5 * scale;
  ctx.lineWidth = 1.6 * scale;
  ctx.strokeStyle = colours[kind];
  ctx.fillStyle = colours.panel;
  ctx.beginPath();
  if (kind === "bad") {
    ctx.moveTo(x - r, y - r);
    ctx.lineTo(x + r, y + r);
    ctx.moveTo(x + r, y - r);
    ctx.lineTo(x - r, y + r);
  } else {
    ctx.moveTo(x, y - r);
    ctx.lineTo(x + r, y + r);
    ctx.lineTo(x - r, y + r);
    ctx.closePath();
    ctx.fill();
  }
  ctx.stroke();
}
