// Working with results: selecting, enlarging and keyboard navigation.

import "./infinite_scroll.js";
import "./selection.js";
import "./lightbox.js";
import "./keyboard_navigation.js";
import { onResults } from "./tiles.js";

// Names and similarities: below all pictures where that is switched on, which a cookie remembers; and on one picture by a
// long press.

const TOGGLE = "[data-toggles=details]";
const SHOWN = "details-shown";
const PRESS = 450;
const FIRM = 12;
const YEAR = 365 * 24 * 3600;

const root = document.documentElement;
const site = new URL(document.querySelector(".brand")?.href ?? "/", location.href).pathname;

document.addEventListener("click", (event) => {
  if (!event.target.closest(TOGGLE)) return;
  const shown = root.classList.toggle(SHOWN);
  document.cookie = `details=${shown ? 1 : ""}; path=${site}; max-age=${shown ? YEAR : 0}; samesite=lax`;
  tell();
});
// Restored results may predate the setting.
onResults(tell);
window.addEventListener("pageshow", tell);

function tell() {
  const shown = root.classList.contains(SHOWN);
  for (const toggle of document.querySelectorAll(TOGGLE)) toggle.setAttribute("aria-pressed", String(shown));
}

let pressed = null;

function release() {
  clearTimeout(pressed?.timer);
  pressed = null;
}

function forget() {
  for (const tile of document.querySelectorAll(".tile.told")) tile.classList.remove("told");
}

document.addEventListener("pointerdown", (event) => {
  release();
  const link = event.pointerType === "touch" ? event.target.closest?.(".tile-link") : null;
  const tile = link?.closest("article.tile");
  if (!tile || !tile.classList.contains("told")) forget();
  if (!tile) return;
  const timer = setTimeout(() => {
    pressed.told = true;
    tile.classList.add("told");
  }, PRESS);
  pressed = { tile, timer, x: event.clientX, y: event.clientY, told: false };
});
document.addEventListener("pointermove", (event) => {
  if (pressed && !pressed.told && Math.hypot(event.clientX - pressed.x, event.clientY - pressed.y) > FIRM) release();
});
document.addEventListener("pointercancel", release);
// A long press is no tap: suppress the click and the browser's menu.
document.addEventListener("contextmenu", (event) => {
  if (pressed && event.target.closest?.("article.tile") === pressed.tile) event.preventDefault();
});
document.addEventListener(
  "click",
  (event) => {
    const told = pressed?.told;
    release();
    if (!told || !event.target.closest("article.tile")) return;
    event.preventDefault();
    event.stopPropagation();
  },
  { capture: true },
);
