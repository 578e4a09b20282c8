// Selecting results: download as ZIP, copy links, or share one link to the set. The selection is the set of checked
// boxes: those in the tiles belong to the form in the bar.

import { copyText } from "./copy.js";
import { pressed } from "./shortcut_key.js";
import { everyTile, linkOf, onResults, tiles, titleOf } from "./tiles.js";

const bar = document.getElementById("selection");
const check = document.getElementById("tile-check");
const count = bar.querySelector("[data-slot=count]");
const strong = bar.querySelector("[data-action=strong]");

const TOGGLE = "[data-toggles=selection]";

let last = null;

const isSelecting = () => !bar.hidden;
const checkOf = (tile) => tile.querySelector(".tile-check input");
const selected = () => tiles().filter((tile) => checkOf(tile)?.checked);

const actions = {
  strong: () => mark(tiles().filter((tile) => tile.dataset.band === "strong"), true),
  all: () => mark(tiles(), true),
  clear: () => mark(tiles(), false),
  copy: copyLinks,
  stop,
};

document.addEventListener("click", (event) => {
  if (!event.target.closest(TOGGLE)) return;
  if (isSelecting()) stop();
  else start();
});
bar.addEventListener("click", (event) => actions[event.target.closest("[data-action]")?.dataset.action]?.());
bar.addEventListener("formdata", (event) => {
  for (const tile of selected()) {
    if (tile.dataset.similarity) event.formData.set(`similarity-${tile.dataset.image}`, tile.dataset.similarity);
  }
});

// Before other click handlers on a tile.
document.addEventListener("click", onClick, { capture: true });
document.addEventListener("change", (event) => {
  if (!event.target.closest(".tile-check")) return;
  last = event.target.closest("article.tile");
  mark([last], event.target.checked);
});
document.addEventListener("keydown", (event) => {
  const tile = event.target.closest?.("article.tile");
  if (!isSelecting() || !tile || event.target !== linkOf(tile) || pressed(event) !== " ") return;
  event.preventDefault();
  choose(tile, event.shiftKey);
});
onResults(() => {
  if (!last?.isConnected) last = null;
  showWhether();
  if (isSelecting()) prepare();
  // The browser may have restored a page with a selection.
  else removeChecks();
});

// The browser may have restored a page with a selection, after sharing it for example.
if (document.querySelector(".tile-check")) start();

function start() {
  bar.hidden = false;
  showWhether();
  prepare();
}

// Selects all results on the page, which were chosen elsewhere.
export function selectAll() {
  last = null;
  start();
  mark(tiles(), true);
}

function stop() {
  const hadFocus = bar.contains(document.activeElement);
  bar.hidden = true;
  last = null;
  showWhether();
  removeChecks();
  if (hadFocus) document.querySelector(TOGGLE)?.focus();
}

function showWhether() {
  document.body.classList.toggle("selecting", isSelecting());
  document.querySelector(TOGGLE)?.setAttribute("aria-pressed", String(isSelecting()));
}

function removeChecks() {
  for (const one of document.querySelectorAll(".tile-check")) one.remove();
}

function prepare() {
  for (const tile of everyTile()) {
    if (checkOf(tile)) continue;
    tile.append(check.content.cloneNode(true));
    checkOf(tile).value = tile.dataset.image;
    checkOf(tile).setAttribute("aria-label", bar.dataset.check.replace("{title}", () => titleOf(tile)));
  }
  strong.hidden = !tiles().some((tile) => tile.dataset.band === "strong");
  tell();
}

function onClick(event) {
  const tile = event.target.closest("article.tile");
  if (!isSelecting() || !tile) return;
  const box = event.target.closest(".tile-check input");
  if (box) {
    if (event.shiftKey && last) chooseTo(tile, box.checked);
    return;
  }
  // Enter on a link is a click without a button: it opens as usual, and space selects.
  if (!event.detail || !event.target.closest(".tile-link")) return;
  event.preventDefault();
  event.stopPropagation();
  choose(tile, event.shiftKey);
}

function choose(tile, range) {
  const on = !checkOf(tile).checked;
  if (range && last) return chooseTo(tile, true);
  last = tile;
  return mark([tile], on);
}

function chooseTo(tile, on) {
  const all = tiles();
  const [from, to] = [all.indexOf(last), all.indexOf(tile)].sort((one, other) => one - other);
  last = tile;
  mark(all.slice(from, to + 1), on);
}

function mark(some, on) {
  for (const tile of some) {
    checkOf(tile).checked = on;
    // Pages are saved as HTML, so the attribute must match.
    checkOf(tile).toggleAttribute("checked", on);
  }
  tell();
}

function tell(message = "") {
  const number = selected().length;
  count.textContent = message || bar.dataset.count.replace("{count}", number.toLocaleString(document.documentElement.lang));
  for (const button of bar.querySelectorAll("[data-needs-some]")) {
    // A disabled button would lose the focus.
    if (!number && button === document.activeElement) bar.querySelector("[data-action=stop]").focus();
    button.disabled = !number;
  }
}

async function copyLinks() {
  const links = selected().map((tile) => linkOf(tile).href.replace(/[?#].*/, ""));
  tell((await copyText(links.join("\n"))) ? bar.dataset.copied : bar.dataset.notCopied);
}
