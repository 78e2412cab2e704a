// The device page: which channels are plotted, the range, zoom down to raw, the last hour as sparklines, live points.

import { Plot } from "./chart.js";
import { serverNow, t } from "./console.js";
import { channelsOf, onLive } from "./live.js";

const MOST_PLOTS = 4;
const REFRESH_MS = 30_000;
const REFILL_MS = [2_000, 6_000, 15_000];
const SPARK_POINTS = 60;
const LEAST_ZOOM_MS = 2_000;

const code = document.getElementById("device")?.dataset.device;
const box = document.getElementById("plots");
const plots = new Map(); // channel name -> Plot
let range = 900_000;
let zooms = []; // [from, to] in ms, the innermost last; empty: the window follows the present
let resolution = "raw";
let asking = null;
let refills = [];

const viewed = () => zooms.at(-1) ?? [serverNow() - range, serverNow()];
const picks = () => [...document.querySelectorAll("[data-plot]:checked")].map((input) => input.dataset.plot);

async function history(channels, from, to, points, signal) {
  const query = new URLSearchParams({
    channels: channels.join(","),
    from: new Date(Math.floor(from)).toISOString(),
    to: new Date(Math.ceil(to)).toISOString(),
    points: String(points),
  });
  const answer = await fetch(`/api/v1/devices/${code}/history?${query}`, { signal, headers: { accept: "application/json" } });
  if (!answer.ok) throw new Error(String(answer.status));
  return answer.json();
}

async function load() {
  const names = picks();
  for (const [name, plot] of plots) if (!names.includes(name)) (plot.destroy(), plots.delete(name));
  if (!names.length) return message(t("js.pick"));
  const [from, to] = viewed();
  asking?.abort();
  asking = new AbortController();
  const { signal } = asking;
  box.setAttribute("aria-busy", "true");
  try {
    const answer = await history(names, from, to, Math.min(2000, Math.max(300, box.clientWidth)), signal);
    message("");
    resolution = answer.resolution;
    document.getElementById("resolution").textContent = t("js.resolution_" + resolution);
    names.forEach((name, i) => {
      const series = answer.series.find((one) => one.channel.name === name);
      if (!series) return;
      if (!plots.has(name)) plots.set(name, new Plot(box, series, i, { main: names.length === 1, zoomed, back }));
      const plot = plots.get(name);
      plot.figure.classList.toggle("is-main", names.length === 1 && !plot.isState);
      box.append(plot.figure);
      plot.set(series, from, to);
    });
  } catch (error) {
    if (error.name === "AbortError") return;
    message(t("js.history_failed"));
  } finally {
    if (!signal.aborted) box.setAttribute("aria-busy", "false");
  }
}

// A gateway that was cut off sends what it kept within seconds: a gap that a live point left is asked for again.
function refillSoon() {
  for (const timer of refills) clearTimeout(timer);
  refills = REFILL_MS.map((wait) => setTimeout(() => !zooms.length && load(), wait));
}

function message(text) {
  let note = box.querySelector(".age");
  if (!text) return note?.remove();
  if (!note) box.append((note = Object.assign(document.createElement("p"), { className: "age" })));
  note.textContent = text;
}

function zoomed(from, to) {
  if (to - from < LEAST_ZOOM_MS) [from, to] = [(from + to - LEAST_ZOOM_MS) / 2, (from + to + LEAST_ZOOM_MS) / 2];
  zooms.push([from, to]);
  press(null);
  load();
}

function back() {
  if (!zooms.length) return;
  zooms.pop();
  if (!zooms.length) press(range);
  load();
}

function press(wanted) {
  for (const button of document.querySelectorAll("[data-range]")) button.setAttribute("aria-pressed", String(Number(button.dataset.range) * 1000 === wanted));
}

function remember() {
  sessionStorage.setItem("plots:" + code, JSON.stringify(picks()));
}

function choose() {
  const inputs = [...document.querySelectorAll("[data-plot]")];
  const kept = JSON.parse(sessionStorage.getItem("plots:" + code) ?? "null");
  for (const input of inputs) input.checked = kept ? kept.includes(input.dataset.plot) : "first" in input.dataset;
}

async function sparks() {
  const names = [...document.querySelectorAll("[data-spark]")].map((svg) => svg.dataset.spark);
  const to = serverNow();
  const answer = await history(names, to - 3_600_000, to, SPARK_POINTS).catch(() => null);
  for (const series of answer?.series ?? []) {
    const svg = document.querySelector(`[data-spark="${CSS.escape(series.channel.name)}"]`);
    svg.innerHTML = `<path d="${sparkPath(series, to - 3_600_000, to)}"/>`;
  }
}

function sparkPath(series, from, to) {
  const known = series.value.filter((value) => value !== null);
  const low = Math.min(...known);
  const reach = Math.max(...known) - low;
  let pen = "M";
  const parts = [];
  series.t.forEach((at, i) => {
    const value = series.value[i];
    if (value === null) return void (pen = "M");
    const y = reach ? 25 - ((value - low) / reach) * 22 : 14;
    parts.push(`${pen}${(((at - from) / (to - from)) * 100).toFixed(1)} ${y.toFixed(1)}`);
    pen = "L";
  });
  return parts.join("");
}

if (code) {
  choose();
  document.addEventListener("change", (event) => {
    if (!event.target.matches("[data-plot]")) return;
    if (picks().length > MOST_PLOTS) event.target.checked = false;
    remember();
    load();
  });
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-range]");
    if (!button) return;
    range = Number(button.dataset.range) * 1000;
    zooms = [];
    press(range);
    load();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && zooms.length && !document.querySelector("dialog[open]")) back();
  });
  document.addEventListener("hutong:theme", () => {
    for (const plot of plots.values()) plot.paint();
  });
  onLive((codes) => {
    if (!codes.includes(code) || zooms.length || resolution !== "raw") return;
    const [from, to] = viewed();
    for (const [name, plot] of plots) {
      const channel = channelsOf(code)?.get(name);
      if (channel?.at && plot.series && plot.append(channel.at, channel.value, channel.quality, from, to)) refillSoon();
    }
  });
  setInterval(() => !document.hidden && !zooms.length && load(), REFRESH_MS);
  setInterval(() => !document.hidden && sparks(), 60_000);
  load();
  sparks();
}
