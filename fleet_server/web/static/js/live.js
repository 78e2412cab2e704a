// The live values of a page: one EventSource, and a look at every value's age each second.

import { alive, serverNow, setServerTime, t, watch } from "./console.js";
import { NO_VALUE, deviceLook, look, measured, qualityWord, unit } from "./format.js";

const RETRY_MS = 3000;
const listeners = new Set();
const devices = new Map(); // code -> Map(channel name -> {value, text, unit, quality, at, period, states})
let source = null;
let asked = "";
let retry = 0;

export const onLive = (listener) => listeners.add(listener);
export const channelsOf = (code) => devices.get(code);

function start() {
  const description = document.getElementById("live-channels")?.textContent ?? "";
  if (description === asked && source && source.readyState !== EventSource.CLOSED) return;
  asked = description;
  stop();
  const codes = description ? JSON.parse(description).devices : [];
  if (!codes.length || document.hidden) return;
  watch();
  source = new EventSource("/api/v1/live?devices=" + codes.join(","));
  source.addEventListener("open", alive);
  source.addEventListener("now", (event) => {
    alive();
    receive(JSON.parse(event.data));
  });
  source.addEventListener("heartbeat", (event) => {
    alive();
    const now = JSON.parse(event.data || "{}").now;
    if (now) setServerTime(typeof now === "number" ? now : Date.parse(now));
  });
  source.addEventListener("error", () => {
    // An answer other than 200 closes the source for good: the browser does not try again, so we do.
    if (source.readyState === EventSource.CLOSED) retry = setTimeout(start, RETRY_MS);
  });
}

function stop() {
  clearTimeout(retry);
  source?.close();
  source = null;
}

function receive(updates) {
  for (const update of updates) {
    const channels = devices.get(update.code) ?? new Map();
    devices.set(update.code, channels);
    for (const channel of update.channels) {
      channels.set(channel.name, {
        ...channel,
        at: channel.at === null ? null : typeof channel.at === "number" ? channel.at : Date.parse(channel.at),
        period: channel.period_ms,
      });
    }
    show(update.code);
  }
  for (const listener of listeners) listener(updates.map((update) => update.code));
}

function figure(channel, scale) {
  if (channel.value === null) return NO_VALUE;
  const words = channel.states?.[channel.value];
  return words ? (words[document.body.dataset.language] ?? Object.values(words)[0]) : measured(channel.value, channel.text, scale);
}

const write = (element, text) => {
  if (element.textContent !== text) element.textContent = text;
};

function show(code) {
  const now = serverNow();
  const channels = devices.get(code);
  for (const element of document.querySelectorAll(`[data-value][data-device="${CSS.escape(code)}"]`)) {
    const channel = channels.get(element.dataset.channel);
    if (!channel) continue;
    const states = Object.keys(channel.states ?? {}).length > 0;
    element.className = "value is-" + look(channel, now);
    element.title = channel.text; // exact; the quality's word stands beside it
    write(element.querySelector(".figure"), figure(channel, Number(element.dataset.scale)));
    write(element.querySelector(".unit"), states || channel.value === null ? "" : unit(channel.unit));
  }
  const all = [...channels.values()];
  for (const element of document.querySelectorAll(`[data-device-state="${CSS.escape(code)}"]`)) {
    const standing = deviceLook(all, now);
    showState(element, standing, t("standing." + standing));
  }
  const latest = Math.max(...all.map((channel) => channel.at ?? 0));
  for (const element of document.querySelectorAll(`[data-device-age="${CSS.escape(code)}"] time`)) element.dataset.at = latest || "";
  if (document.getElementById("device")?.dataset.device === code) showRows(channels, now);
}

function showRows(channels, now) {
  for (const [name, channel] of channels) {
    const kind = look(channel, now);
    const word = document.querySelector(`[data-quality="${CSS.escape(name)}"]`);
    if (word) showState(word, kind, kind === "stale" ? t("look.stale") : qualityWord(channel.quality, t));
    const time = document.querySelector(`[data-channel-age="${CSS.escape(name)}"] time`);
    if (time) time.dataset.at = channel.at ?? "";
  }
}

function showState(element, kind, word) {
  const state = element.querySelector(".state");
  if (!state || state.textContent.trim() === word) return;
  state.className = "state " + kind;
  state.querySelector(".mark").className = "mark " + kind;
  state.lastChild.textContent = word;
}

setInterval(() => {
  for (const code of devices.keys()) show(code);
}, 1000);
document.addEventListener("htmx:after:swap", start);
document.addEventListener("visibilitychange", () => (document.hidden ? stop() : start()));
addEventListener("pagehide", stop);
addEventListener("pageshow", (event) => event.persisted && start());
start();
