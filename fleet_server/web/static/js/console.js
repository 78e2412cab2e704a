// What every page does: texts, the server's clock, ages, silence, theme, keys, dialogs.

import { age, clock, duration, moment } from "./format.js";

const texts = JSON.parse(document.getElementById("texts").textContent);
export const language = document.body.dataset.language;

export function t(key, values = {}) {
  const [section, name] = key.split(/\.(.*)/s);
  const all = texts[section];
  const text = (values.n === 1 && all[name + "_one"]) || all[name];
  return text.replace(/\{(\w+)\}/g, (_, field) => values[field]);
}

// ---- time: the server's, so that a wrong clock here never makes a value look fresh ----
let base = Number(document.body.dataset.now);
let mark = performance.now();
export const serverNow = () => base + performance.now() - mark;
export function setServerTime(ms) {
  base = ms;
  mark = performance.now();
}

function writeAges() {
  const now = serverNow();
  for (const element of document.querySelectorAll("time[data-at]")) {
    const text = age(Number(element.dataset.at), now, t);
    if (element.textContent !== text) element.textContent = text;
  }
}

function writeMoments(root = document) {
  for (const element of root.querySelectorAll("time[data-moment]")) {
    const text = moment(Number(element.dataset.moment));
    if (element.textContent !== text) element.textContent = text;
  }
}

// ---- silence: ten seconds without a sign of life, and nothing on the page passes for live any more ----
const SILENCE_MS = 10_000;
let watched = false;
let heard = performance.now();
let heardAt = serverNow();

export function watch() {
  watched = true;
  heard = performance.now();
  const pulse = document.getElementById("pulse");
  if (pulse) pulse.hidden = false;
}

export function alive() {
  heard = performance.now();
  heardAt = serverNow();
  setPulse("live", t("js.live"));
  if (document.body.classList.contains("silent")) setSilent(false);
}

function setPulse(state, word) {
  const pulse = document.getElementById("pulse");
  if (!pulse || (pulse.dataset.state === state && pulse.title === word)) return;
  pulse.dataset.state = state;
  pulse.title = word;
  pulse.querySelector(".word").textContent = word;
}

function setSilent(silent) {
  document.body.classList.toggle("silent", silent);
  document.getElementById("silence").hidden = !silent;
}

function checkSilence() {
  if (!watched || document.hidden) return;
  const seconds = (performance.now() - heard) / 1000;
  if (seconds * 1000 < SILENCE_MS) return;
  const span = duration(seconds, t);
  document.querySelector("#silence span").textContent = t("js.silent_since", { time: clock(heardAt), span });
  setPulse("silent", t("js.silent", { span }));
  if (!document.body.classList.contains("silent")) setSilent(true);
}

setInterval(() => {
  writeAges();
  checkSilence();
}, 1000);
writeMoments();

// Pages that htmx refreshes are alive while the answers come.
if (document.querySelector("[data-polled]")) watch();
document.addEventListener("htmx:after:request", ({ detail }) => {
  if (detail.ctx.response.status < 400 && detail.ctx.sourceElement.closest("[data-polled]")) alive();
});
document.addEventListener("htmx:after:swap", () => {
  writeMoments();
  writeAges();
});
document.addEventListener("visibilitychange", () => {
  if (!document.hidden && watched) heard = performance.now();
});

// ---- theme ----
function nextTheme() {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  document.cookie = `hutong_theme=${root.dataset.theme}; path=/; max-age=31536000; samesite=lax`;
  document.dispatchEvent(new CustomEvent("hutong:theme"));
}

// ---- clicks and keys ----
document.addEventListener("click", (event) => {
  const action = event.target.closest("[data-action]");
  if (action?.dataset.action === "theme") nextTheme();
  if (action?.dataset.action === "help") document.getElementById("help").showModal();
  if (action?.dataset.action === "close") action.closest("dialog").close();
  if (action?.dataset.action === "copy") navigator.clipboard?.writeText(document.getElementById(action.dataset.copy).textContent);
  const opener = event.target.closest("[data-write]");
  if (opener) document.getElementById("write-" + opener.dataset.write)?.showModal();
  if (event.target instanceof HTMLDialogElement) event.target.close(); // a click beside it
});
document.addEventListener("htmx:after:request", ({ detail }) => {
  const dialog = detail.ctx.sourceElement.closest("dialog");
  if (!dialog || detail.ctx.response.status >= 400) return;
  dialog.close();
  dialog.querySelector("form").reset();
});

const GO = { o: "/", g: "/gateways", d: "/devices", m: "/meters", q: "/quarantine", c: "/codes", u: "/users", t: "/tokens" };
let going = -Infinity; // when g was pressed
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  if (event.target.closest("input, textarea, select, dialog[open]")) return;
  const place = performance.now() - going < 1500 ? GO[event.key] : undefined;
  going = event.key === "g" && !place ? performance.now() : -Infinity;
  if (place) location.assign(place);
  else if (event.key === "/") document.getElementById("find")?.focus();
  else if (event.key === "?") document.getElementById("help")?.showModal();
  else if (event.key === "t") nextTheme();
  else return;
  event.preventDefault();
});
