// The map of the collection: similar pictures are near each other. Without this script, and for screen readers, the
// page lists its groups.

import { byAge, byBand, byGroup, ageColour, bandColour, onTheme } from "./map_colours.js";
import { drawerOf } from "./map_draw.js";
import { Card, Labels, Pictures, Thumbnails } from "./map_pictures.js";
import { Grid, idAt, readMarks, readPoints } from "./map_points.js";
import { moveByHand, View, ZOOM_STEP } from "./map_view.js";
import { selectAll } from "./selection.js";

const map = document.getElementById("map");
const canvas = map.querySelector("canvas");
const status = map.querySelector("[data-slot=status]");
const told = document.getElementById("announcements");
const panel = document.getElementById("map-tools");
const lassoButton = panel.querySelector("[data-action=lasso]");
const outline = map.querySelector("[data-slot=outline]");
const legend = document.getElementById("map-legend");
const marking = document.getElementById("map-marking");
const picked = document.getElementById("map-picked");
const form = document.getElementById("selection");
const language = document.documentElement.lang;

const groups = [...document.querySelectorAll("[data-group]")].map((element, rank) => ({
  rank,
  number: Number(element.dataset.group),
  label: element.dataset.label,
  x: Number(element.dataset.x),
  y: Number(element.dataset.y),
}));
const CLOSE = 14;
const SLOW = 34;
const LEAST_SHARE = 0.1;

let points = null;
let grid = null;
let view = null;
let drawer = null;
let card = null;
let thumbnails = null;
let labels = null;
let bands = null;
let isDue = false;
let lassoed = [];

const numbered = (text, values) =>
  Object.entries(values).reduce((all, [name, value]) => all.replace(`{${name}}`, () => value.toLocaleString(language)), text);

function tell(text) {
  status.textContent = text;
  status.hidden = !text;
}

begin();

async function begin() {
  tell(map.dataset.loading);
  const answer = await fetch(map.dataset.points).catch(() => null);
  const data = answer?.ok ? await answer.arrayBuffer().catch(() => null) : null;
  points = data && readPoints(data);
  if (!points) return tell(map.dataset.failed);
  tell("");
  grid = new Grid(points);
  view = new View(canvas, redraw, choose);
  drawer = drawerOf(canvas, points, redraw);
  const pictures = new Pictures(points, map.dataset.pictures);
  card = new Card(map.querySelector("[data-slot=card]"), view, grid, pictures);
  thumbnails = new Thumbnails(map.querySelector("[data-slot=thumbnails]"), view, grid, pictures);
  labels = new Labels(map.querySelector("[data-slot=labels]"), view, groups);
  moveByHand(view, { click, hover, leave: () => card.show(-1), lasso }, () => lassoButton.getAttribute("aria-pressed") === "true");
  canvas.addEventListener("keydown", onKey);
  // Touching the card itself moves the focus away.
  canvas.addEventListener("blur", () => card.element.classList.contains("map-card-held") || card.show(-1));
  onTheme(paint);
  paint();
  choose();
  map.dataset.ready = points.count;
  return undefined;
}

function redraw() {
  if (isDue || !drawer) return;
  isDue = true;
  requestAnimationFrame((now) => {
    isDue = false;
    pace.note(now);
    drawer.draw(view, pointSize(), pace.share);
    thumbnails.move();
    labels.move();
    card.move();
  });
}

// Fewer points are larger, and all grow with the zoom, but more slowly.
function pointSize() {
  const room = Math.sqrt((view.width * view.height) / Math.max(1, points.count));
  return Math.max(2, Math.min(14, 0.3 * room * Math.sqrt(view.scale / view.whole)));
}

// On a slow machine, as without a graphics card, only a share of the points is drawn while moving.
const pace = {
  share: 1,
  last: 0,
  note(now) {
    const took = now - this.last;
    this.last = now;
    if (took > 200) return; // it was idle
    if (took > SLOW) this.share = Math.max(LEAST_SHARE, this.share * 0.7);
    else if (took < SLOW / 2) this.share = Math.min(1, this.share * 1.1);
  },
  rest() {
    const { share } = this;
    this.last = 0;
    if (share < 1) drawer.draw(view, pointSize(), 1);
  },
};

function choose() {
  pace.rest();
  thumbnails.choose();
  labels.choose();
}

function goTo({ x, y }) {
  view.glide(x, y, Math.max(view.scale, 4 * view.whole));
  canvas.focus({ preventScroll: true });
}

for (const button of document.querySelectorAll("[data-goes-to]")) {
  button.addEventListener("click", () => {
    map.scrollIntoView({ block: "nearest" });
    if (view) goTo(groups.find((group) => group.number === Number(button.dataset.goesTo)));
  });
}

// --- Pointing and opening ---

function pointAt(left, top) {
  const shown = thumbnails.at(left, top);
  return shown >= 0 ? shown : grid.nearest(...view.placeAt(left, top), CLOSE / view.scale);
}

function hover(left, top) {
  card.element.classList.remove("map-card-held");
  const found = pointAt(left, top);
  canvas.classList.toggle("map-points-at", found >= 0);
  card.show(found);
}

// Touch has no hover: the first tap shows the picture, the second one, or one on the card, opens it.
function click(left, top, event) {
  const found = pointAt(left, top);
  const isShown = found >= 0 && found === card.number;
  if (event.pointerType !== "mouse" && !isShown) {
    card.element.classList.add("map-card-held");
    return card.show(found);
  }
  if (found < 0) return undefined;
  return openPicture(found, event);
}

function openPicture(number, { ctrlKey, metaKey }) {
  const address = map.dataset.page.replace("00000000-0000-0000-0000-000000000000", idAt(points.ids, number));
  if (ctrlKey || metaKey) window.open(address, "_blank", "noopener");
  else location.assign(address);
}

const keys = {
  ArrowLeft: () => view.step(-1, 0),
  ArrowRight: () => view.step(1, 0),
  ArrowUp: () => view.step(0, 1),
  ArrowDown: () => view.step(0, -1),
  "+": () => view.zoom(ZOOM_STEP),
  "=": () => view.zoom(ZOOM_STEP),
  "-": () => view.zoom(1 / ZOOM_STEP),
  0: () => view.glide(0, 0, view.whole),
};

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Enter") {
    const nearest = grid.anyNearest(view.x, view.y);
    if (nearest >= 0) openPicture(nearest, event);
  } else if (event.key === "Escape") {
    setLasso(false);
    return;
  } else if (keys[event.key]) {
    keys[event.key]();
    setTimeout(showMiddle, 250);
  } else return;
  event.preventDefault();
  event.stopPropagation();
}

// With the keyboard, Enter opens the picture nearest to the middle, which is shown and announced.
function showMiddle() {
  if (document.activeElement !== canvas) return;
  const nearest = grid.anyNearest(view.x, view.y);
  if (nearest < 0) return;
  card.show(nearest);
  const title = () => card.number === nearest && (told.textContent = card.title.textContent);
  if (card.element.hidden) setTimeout(title, 500);
  else title();
}

// --- The tools ---

const actions = {
  in: () => view.zoom(ZOOM_STEP),
  out: () => view.zoom(1 / ZOOM_STEP),
  whole: () => view.glide(0, 0, view.whole),
  lasso: () => setLasso(lassoButton.getAttribute("aria-pressed") !== "true"),
};
panel.addEventListener("click", (event) => {
  const action = event.target.closest("[data-action]")?.dataset.action;
  if (view) actions[action]?.();
});

function setLasso(on) {
  lassoButton.setAttribute("aria-pressed", String(on));
  canvas.classList.toggle("map-lasso", on);
}

function lasso(drawn, isDone) {
  outline.setAttribute("points", isDone ? "" : drawn.map((place) => place.join(",")).join(" "));
  if (!isDone) return;
  lassoed = grid.inside(drawn.map((place) => view.placeAt(...place)));
  setLasso(false);
  pick();
}

async function pick() {
  const most = Number(picked.dataset.most);
  const isMore = lassoed.length > most;
  const text = lassoed.length ? (isMore ? picked.dataset.more : picked.dataset.count) : picked.dataset.none;
  picked.querySelector("[data-slot=text]").textContent = numbered(text, { count: lassoed.length, most });
  const change = picked.querySelector("[data-action=change]");
  if (change) change.hidden = !isMore || lassoed.length > Number(picked.dataset.mostChanged);
  picked.hidden = false;
  if (!lassoed.length) return;
  const body = new FormData();
  body.set("csrfmiddlewaretoken", form.elements.csrfmiddlewaretoken.value);
  for (const one of lassoed.slice(0, most)) body.append("id", idAt(points.ids, one));
  const answer = await fetch(map.dataset.selection, { method: "POST", body }).catch(() => null);
  if (!answer?.ok) {
    picked.querySelector("[data-slot=text]").textContent = picked.dataset.failed;
    return;
  }
  const found = document.getElementById("found");
  found.querySelector(".tiles").innerHTML = await answer.text();
  found.hidden = false;
  selectAll();
  form.scrollIntoView({ block: "nearest" });
}

// Too large a selection for the bar: its ids are posted as bytes to the page for bulk changes.
picked.querySelector("form")?.addEventListener("submit", (event) => {
  const bytes = lassoed.map((one) => String.fromCharCode(...points.ids.subarray(16 * one, 16 * one + 16)));
  event.target.elements.packed.value = btoa(bytes.join(""));
});

// --- Colours ---

marking.addEventListener("change", (event) => {
  if (event.target.name !== "by") return;
  const isSearch = ["search", "tag"].includes(event.target.value);
  marking.querySelector("[data-slot=words]").hidden = !isSearch;
  if (isSearch) marking.elements.q.focus();
  else paint();
});
marking.addEventListener("submit", async (event) => {
  event.preventDefault();
  const words = marking.elements.q.value.trim();
  if (!words || !points) return;
  const asked = { q: marking.elements.by.value === "tag" ? tagged(words) : words };
  legend.textContent = map.dataset.loading;
  const answer = await fetch(`${map.dataset.marks}?${new URLSearchParams(asked)}`).catch(() => null);
  if (!answer?.ok) {
    legend.textContent = (await answer?.json().catch(() => null))?.problem ?? map.dataset.failed;
    return;
  }
  bands = readMarks(await answer.arrayBuffer(), points);
  paint();
});

// As a typed filter: case-insensitive, and by any alias of the tag.
const tagged = (words) => `tag:"${words.replace(/["“”„«»]/g, "")}"`;

// Autocompletes tags while the quotation marks are open.
let typed = 0;
marking.elements.q.addEventListener("input", async () => {
  const tags = document.getElementById("map-known-tags");
  const now = (typed += 1);
  const words = marking.elements.q.value.trim();
  tags.replaceChildren();
  if (marking.elements.by.value !== "tag" || !words) return;
  const answer = await fetch(`${map.dataset.suggest}?${new URLSearchParams({ q: tagged(words).slice(0, -1) })}`).catch(() => null);
  if (!answer?.ok || now !== typed) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const labels = [...page.querySelectorAll(".suggestion-label")].map((one) => one.textContent);
  tags.replaceChildren(...labels.map((label) => Object.assign(document.createElement("option"), { value: label })));
});

function paint() {
  if (!drawer) return;
  const by = marking.elements.by.value;
  const rankOf = new Map(groups.map((group) => [group.number, group.rank]));
  let painted = null;
  if (by === "date") painted = byAge(points);
  else if (bands && by !== "group") painted = byBand(points, bands.bands);
  else painted = byGroup(points, rankOf);
  drawer.setColours(painted.rgba, painted.order);
  showLegend(by, painted);
  redraw();
}

const dayOf = (number) => new Date(Date.UTC(1900, 0, 1 + number)).toLocaleDateString(language, { timeZone: "UTC" });

function showLegend(by, painted) {
  const parts = [];
  if (by === "date" && painted.last) {
    parts.push([ageColour(0), dayOf(painted.first)], [ageColour(0.5), "…"], [ageColour(1), dayOf(painted.last)]);
    parts.push([bandColour(0), legend.dataset.undated]);
  } else if (by === "date") parts.push([bandColour(0), legend.dataset.undated]);
  else if (bands && by === "tag") parts.push([bandColour(1), numbered(legend.dataset.tagged, { count: bands.strong })]);
  else if (bands && by === "search") {
    parts.push([bandColour(1), numbered(legend.dataset.strong, { count: bands.strong })]);
    parts.push([bandColour(2), numbered(legend.dataset.related, { count: bands.related })]);
  }
  legend.replaceChildren(
    ...parts.map(([colour, text]) => {
      const swatch = document.createElement("span");
      swatch.className = "map-swatch";
      swatch.style.background = `rgb(${colour.join(" ")})`;
      const part = document.createElement("span");
      part.append(swatch, text);
      return part;
    }),
  );
}
