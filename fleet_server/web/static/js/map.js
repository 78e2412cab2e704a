// The map of the overview: GeoSOT cells with their device counts, poles and tunnel parts as pins. Without a tile server
// the grid and its coordinates are the map.

import { t } from "./console.js";
import { cellOf, levelFor, sizeOf } from "./geosot.js";

const PINS_FROM = 15; // zoom
const ORDER = ["bad", "uncertain", "stale", "good"];
const HUILONGGUAN = [40.0707, 116.3364];
const element = document.getElementById("map");

function draw(L) {
  const map = L.map(element, { preferCanvas: true, zoomSnap: 0.5, maxZoom: 20, minZoom: 7, attributionControl: false, keyboard: true });
  map.zoomControl.setPosition("bottomright");
  if (element.dataset.tiles) L.tileLayer(element.dataset.tiles, { maxZoom: 20, opacity: 0.7 }).addTo(map);
  L.control.scale({ imperial: false, position: "bottomleft" }).addTo(map);
  const grid = L.layerGroup().addTo(map);
  const cells = L.layerGroup().addTo(map);
  const pins = L.layerGroup().addTo(map);
  let text = "";
  let places = [];

  function read() {
    const latest = document.getElementById("places").textContent;
    if (latest === text) return false;
    text = latest;
    places = JSON.parse(latest);
    return true;
  }

  function render() {
    const scale = map.project([map.getCenter().lat, 1], map.getZoom()).x - map.project([map.getCenter().lat, 0], map.getZoom()).x;
    const level = levelFor(scale);
    document.getElementById("map-level").textContent = t("js.map_level", { level, size: side(level) });
    renderGrid(level);
    renderCells(level);
    renderPins();
  }

  function renderGrid(level) {
    grid.clearLayers();
    const step = sizeOf(level);
    const view = map.getBounds().pad(0.05);
    const style = { color: token("--line-strong"), weight: 1, opacity: 0.7, interactive: false };
    const lines = (from, to) => Array.from({ length: Math.min(80, Math.ceil((to - from) / step) + 1) }, (_, i) => (Math.floor(from / step) + i) * step);
    lines(view.getSouth(), view.getNorth()).forEach((lat, i) => {
      L.polyline([[lat, view.getWest()], [lat, view.getEast()]], style).addTo(grid);
      if (i % 2 === 1) label([lat, map.getBounds().getWest()], dms(lat, "N", "S"), [-4, 6]);
    });
    lines(view.getWest(), view.getEast()).forEach((lon, i) => {
      L.polyline([[view.getSouth(), lon], [view.getNorth(), lon]], style).addTo(grid);
      if (i % 2 === 1) label([map.getBounds().getNorth(), lon], dms(lon, "E", "W"), [-4, -3]);
    });
  }

  function label(at, words, anchor) {
    const icon = L.divIcon({ className: "grid-label", html: words, iconSize: [80, 12], iconAnchor: anchor });
    L.marker(at, { icon, interactive: false, keyboard: false }).addTo(grid);
  }

  function renderCells(level) {
    cells.clearLayers();
    const found = new Map();
    for (const place of places) {
      const cell = cellOf(BigInt(place.cell), Math.min(level, place.level));
      const entry = found.get(cell.key) ?? found.set(cell.key, { ...cell, places: [] }).get(cell.key);
      entry.places.push(place);
    }
    for (const { bounds, places: inside } of found.values()) {
      const look = worst(inside);
      const colour = token(look === "good" ? "--accent" : `--${look}`);
      L.rectangle(bounds, { color: colour, weight: 1, fillColor: colour, fillOpacity: Math.min(0.12 + inside.length / 60, 0.4) })
        .bindTooltip(t("js.map_cell", { n: inside.length }))
        .addTo(cells);
      if (map.getZoom() >= PINS_FROM) continue;
      const icon = L.divIcon({ className: "cell-label", html: String(inside.length), iconSize: [40, 20] });
      L.marker(L.latLngBounds(bounds).getCenter(), { icon, interactive: false, keyboard: false }).addTo(cells);
    }
  }

  function renderPins() {
    const open = pins.getLayers().find((pin) => pin.isPopupOpen());
    pins.clearLayers();
    if (map.getZoom() < PINS_FROM) return;
    const groups = new Map();
    for (const place of places) {
      const key = place.mount || `${place.lat},${place.lon}`;
      groups.set(key, [...(groups.get(key) ?? []), place]);
    }
    for (const [key, group] of groups) {
      const look = worst(group);
      const kind = group[0].tunnel ? "tunnel" : "pole";
      const icon = L.divIcon({ className: `pin ${kind} ${look}`, html: `<i class="mark ${look}"></i>`, iconSize: [20, 20] });
      const title = `${t("js.map_" + kind)} ${key}: ${t("js.map_cell", { n: group.length })}, ${t("look." + look)}`;
      const pin = L.marker([group[0].lat, group[0].lon], { icon, title, alt: title }).bindPopup(list(key, group));
      pin.mount = key;
      pin.addTo(pins);
      if (open?.mount === key) pin.openPopup();
    }
  }

  read();
  const bounds = places.length ? L.latLngBounds(places.map((place) => [place.lat, place.lon])) : null;
  if (bounds) map.fitBounds(bounds.pad(0.15), { maxZoom: 18 });
  else map.setView(HUILONGGUAN, 13);
  render();
  map.on("moveend zoomend", render);
  document.addEventListener("hutong:theme", render);
  document.addEventListener("htmx:after:swap", () => read() && render());
  new ResizeObserver(() => map.invalidateSize()).observe(element);
}

function worst(places) {
  return ORDER.find((look) => places.some((place) => place.look === look)) ?? "good";
}

function list(key, group) {
  const box = document.createElement("div");
  const head = document.createElement("strong");
  head.textContent = key;
  const items = document.createElement("ul");
  for (const place of group) {
    const item = document.createElement("li");
    const mark = document.createElement("i");
    mark.className = `mark ${place.look}`;
    const link = document.createElement("a");
    link.href = `/devices/${place.code}`;
    link.textContent = place.name;
    item.append(mark, link);
    items.append(item);
  }
  box.append(head, items);
  return box;
}

function side(level) {
  const metres = sizeOf(level) * 111_320;
  return metres >= 1000 ? `${(metres / 1000).toPrecision(2)} km` : `${Math.round(metres)} m`;
}

function dms(value, plus, minus) {
  const seconds = Math.round(Math.abs(value) * 3600 * 4) / 4;
  const d = Math.floor(seconds / 3600);
  const m = Math.floor((seconds % 3600) / 60);
  const s = seconds % 60;
  return `${d}°${String(m).padStart(2, "0")}′${s ? String(s).padStart(2, "0") + "″" : ""}${value < 0 ? minus : plus}`;
}

// A colour token's value in the present theme: a canvas does not know custom properties.
function token(name) {
  const probe = document.createElement("i");
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const colour = getComputedStyle(probe).color;
  probe.remove();
  return colour;
}

if (element && window.L) draw(window.L);
