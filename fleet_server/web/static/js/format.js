// How values are written: the same as fleet_server/web/format.py, which the server uses for the first paint.

const UNITS = { Cel: "°C", "%RH": "% RH", "%LEL": "% LEL", "ug/m3": "µg/m³", m3: "m³", deg: "°", 1: "" };
export const NO_VALUE = "–";
const FIGURES = 5;
export const unit = (code) => UNITS[code] ?? code;

export function groupDigits(text) {
  const negative = text.startsWith("-");
  const [whole, fraction] = text.replace("-", "").split(".");
  const grouped = /^\d{5,}$/.test(whole) ? whole.replace(/\B(?=(\d{3})+$)/g, "\u2009") : whole;
  return (negative ? "\u2212" : "") + grouped + (fraction === undefined ? "" : "." + fraction);
}

// At most five significant figures: more of a measured float are noise.
export function number(value, places) {
  if (value === null || value === undefined) return NO_VALUE;
  return groupDigits(places === undefined ? plain(Number(value.toPrecision(FIGURES))) : value.toFixed(places));
}

// A channel's figure: the exact decimal; `scale` is its decimal exponent, and 0 also for floats. Of a float five figures,
// always as many, so that a column of them does not dance.
export function measured(value, exact, scale) {
  if (scale || Number.isInteger(value)) return groupDigits(exact);
  const places = Math.max(FIGURES - 1 - Math.floor(Math.log10(Math.abs(value))), 0);
  return groupDigits(value.toFixed(Math.min(places, 9)));
}

// Number.toString without an exponent.
function plain(value) {
  const text = String(value);
  return text.includes("e") ? value.toFixed(12).replace(/\.?0+$/, "") : text;
}

export function duration(seconds, t) {
  for (const [key, length] of [["day", 86400], ["hour", 3600], ["minute", 60]]) {
    if (seconds >= 2 * length || (key === "minute" && seconds >= 1.5 * length)) return t("age." + key, { n: Math.floor(seconds / length) });
  }
  return t("age.second", { n: Math.floor(seconds) });
}

export function age(then, now, t) {
  if (!then) return t("age.never");
  const seconds = (now - then) / 1000;
  if (seconds < -2) return t("age.ahead", { span: duration(-seconds, t) });
  return seconds < 1 ? t("age.now") : t("age.ago", { span: duration(seconds, t) });
}

const two = (n) => String(n).padStart(2, "0");
export function moment(ms) {
  const d = new Date(ms);
  return `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())} ${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`;
}
export const clock = (ms) => moment(ms).slice(11);

// OPC UA quality: the two highest bits are the class (OPC 10000-4, 7.39.1).
const NO_DATA = 0x809b; // nothing is wrong: the device has nothing to tell now
export const qualityClass = (code) => (code === NO_DATA ? "absent" : (code & 0xc000) === 0x8000 ? "bad" : (code & 0xc000) === 0x4000 ? "uncertain" : "good");
const QUALITY = {
  0x0000: "good", 0x0030: "good_clamped", 0x0096: "good_local_override", 0x4000: "uncertain", 0x4090: "uncertain_last_usable",
  0x4091: "uncertain_substitute", 0x4092: "uncertain_initial", 0x4093: "uncertain_not_accurate", 0x4094: "uncertain_eu_exceeded",
  0x4095: "uncertain_sub_normal", 0x8000: "bad", 0x8005: "bad_communication_error", 0x800a: "bad_timeout", 0x8031: "bad_no_communication",
  0x8032: "bad_waiting_for_initial_data", 0x803c: "bad_out_of_range", 0x8089: "bad_configuration_error", 0x808a: "bad_not_connected",
  0x808b: "bad_device_failure", 0x808c: "bad_sensor_failure", 0x808d: "bad_out_of_service", 0x809b: "bad_no_data",
};
export const qualityWord = (code, t) => t("quality." + (QUALITY[code] ?? qualityClass(code)));

// What console/models.py says of freshness: three periods, and a moment for the way.
export const staleAfter = (period) => 3 * period + 2000;
export function look(channel, now) {
  if (!channel.at || now - channel.at > staleAfter(channel.period)) return "stale";
  return qualityClass(channel.quality);
}

const UNREACHABLE = new Set([0x800a, 0x8005, 0x8031, 0x808a]);
export function deviceLook(channels, now) {
  const recent = channels.filter((channel) => look(channel, now) !== "stale");
  if (!recent.length) return "stale";
  if (recent.every((channel) => UNREACHABLE.has(channel.quality))) return "bad";
  return recent.some((channel) => look(channel, now) === "bad") ? "uncertain" : "good";
}
