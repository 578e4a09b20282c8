// A result on the stage, with links to the next and previous one: its picture at once, from its tile, and the panel as
// soon as it is loaded from its page.

import { onMoreFailed } from "./infinite_scroll.js";
import { clearAddress, idInAddress, leaveAddress, replaceInAddress } from "./lightbox_address.js";
import { PictureViewer } from "./picture_viewer.js";
import { factsOf, firstNumber, foundInAll, hasMore, linkOf, loadMore, onResults, tileOf, tiles, titleOf } from "./tiles.js";

const dialog = document.getElementById("lightbox");
const slot = (name) => dialog.querySelector(`[data-slot=${name}]`);
const NOBODY = "00000000-0000-0000-0000-000000000000";
const SOON = 3;
const ON_STAGE = 4096; // maximum of the longer side in pixels
const SMALL_ON_STAGE = 640; // below it, enlarging looks bad
const HURRIED = 150; // milliseconds within which another step is likely

// Its tile has the link as well, while what stands beside it has not come.
const moreLike = () => slot("more-like") ?? current.querySelector("a.more-like-this");
const viewer = new PictureViewer(dialog.querySelector(".one"), step, moreLike);

let current = null;
let waiting = false;
// Whether the next result is awaited. The request may fail more than once: scrolling makes it too.
let isOwed = false;
let asked = new AbortController();
let shownAt = 0;

const addressOf = (kind, tile) => dialog.dataset[kind].replace(NOBODY, tile.dataset.image);

slot("next").addEventListener("click", () => step(1));
slot("previous").addEventListener("click", () => step(-1));
slot("stage").addEventListener("click", (event) => {
  if ([slot("stage"), slot("view")].includes(event.target) && !viewer.zoom.isZoomed) dialog.close();
});

dialog.addEventListener("keydown", (event) => viewer.onKey(event));

dialog.addEventListener("close", () => {
  waiting = isOwed = false;
  viewer.stop();
  if (document.fullscreenElement) document.exitFullscreen().catch(() => {});
  asked.abort();
  leaveAddress();
  if (!current.isConnected) return;
  const { top, bottom } = current.getBoundingClientRect();
  if (bottom < 0 || top > window.innerHeight) current.scrollIntoView({ block: "center" });
  linkOf(current).focus({ preventScroll: true });
});

onResults(() => {
  if (!dialog.open || !current.isConnected) showWhatAddressSays();
  else if (waiting) step(1);
  else showWays();
});
// A curator has changed the shown picture.
document.addEventListener("curated", () => {
  if (dialog.open) showPanel(current);
});
onMoreFailed((reason) => {
  // A failed prefetch is retried by the next step.
  const isTold = Boolean(reason) && isOwed;
  slot("failed").textContent = isTold ? reason : "";
  slot("again").hidden = !isTold;
  if (reason) wait(false);
});
slot("again").addEventListener("click", () => {
  slot("next").focus();
  step(1);
});

export function showWhatAddressSays() {
  const tile = tileOf(idInAddress());
  if (tile) return show(tile);
  clearAddress();
  return dialog.close();
}

function step(by) {
  const all = tiles();
  const next = all[all.indexOf(current) + by];
  if (next) {
    replaceInAddress(next.dataset.image);
    show(next);
    return true;
  }
  if (by < 0 || !hasMore()) return false;
  isOwed = true;
  wait(true);
  loadMore({ withRest: true });
  return true;
}

function wait(whether) {
  waiting = whether;
  dialog.toggleAttribute("data-waiting", waiting);
}

function show(tile) {
  current = tile;
  isOwed = false;
  wait(false);
  slot("failed").textContent = "";
  slot("again").hidden = true;
  slot("view").replaceChildren(frameOf(tile));
  slot("panel").replaceChildren(slot("first").content.cloneNode(true));
  const heading = slot("panel").querySelector("h2");
  heading.classList.toggle("visually-hidden", isUntitled(tile));
  Object.assign(heading.querySelector("a"), { textContent: titleOf(tile), href: linkOf(tile).href });
  slot("facts").replaceChildren(...factsOf(tile));
  slot("announced").textContent = titleOf(tile);
  if (!dialog.open) dialog.showModal();
  slot("panel").scrollTop = dialog.scrollTop = 0;
  viewer.shown();
  showWays();
  showPanel(tile);
}

function isUntitled(tile) {
  return tile.querySelector(".untitled") !== null;
}

// Loads the panel from the picture's page. Skipped for pictures that are only passed.
async function showPanel(tile) {
  asked.abort();
  asked = new AbortController();
  const { signal } = asked;
  const isHurried = performance.now() - shownAt < HURRIED;
  shownAt = performance.now();
  if (isHurried) await new Promise((done) => setTimeout(done, HURRIED));
  if (signal.aborted) return;
  const html = await panelOf(tile, signal).catch(() => "");
  if (signal.aborted || tile !== current) return;
  if (!html) {
    const told = slot("unreachable");
    if (told) told.hidden = false;
    return;
  }
  slot("panel").innerHTML = html;
  // The part outline comes with the panel, and belongs on the picture.
  const part = slot("panel").querySelector(".stage-part");
  if (part) slot("view").querySelector(".stage-frame").append(part);
  slot("facts").replaceChildren(...factsOf(tile));
  viewer.attach();
}

async function panelOf(tile, signal) {
  const headers = { "HX-Request": "true", "HX-Target": "panel" };
  const answer = await fetch(linkOf(tile).href, { headers, signal });
  const html = answer.ok ? await answer.text() : "";
  // A session that has ended is redirected to the login.
  return html.includes('id="panel-title"') ? html : "";
}

// New elements each time: else the old picture stays until this one has loaded.
function frameOf(tile) {
  const small = tile.querySelector(".tile-frame img");
  const [width, height] = ["width", "height"].map((side) => Number(small.getAttribute(side)));
  const frame = document.createElement("div");
  frame.className = "stage-frame";
  frame.append(shapeOf(tile, width, height), pictureOf(tile, small, width, height));
  return frame;
}

// In the picture's proportions, as large as on its page; its thumbnail shows until it loads.
function shapeOf(tile, width, height) {
  const longer = Math.max(width, height);
  const shape = tile.querySelector(".placeholder").cloneNode(true);
  shape.setAttribute("class", longer < SMALL_ON_STAGE ? "stage-shape is-small" : "stage-shape");
  shape.setAttribute("width", Math.max(1, Math.round((ON_STAGE * width) / longer)));
  shape.setAttribute("height", Math.max(1, Math.round((ON_STAGE * height) / longer)));
  return shape;
}

function pictureOf(tile, small, width, height) {
  const picture = new Image(width, height);
  picture.className = "stage-picture";
  picture.dataset.slot = "picture";
  picture.alt = titleOf(tile);
  picture.draggable = false;
  picture.style.background = `url("${small.currentSrc || small.src}") center / 100% 100%`;
  picture.addEventListener("error", () => (picture.src = small.src), { once: true });
  picture.src = addressOf("large", tile);
  return picture;
}

function showWays() {
  const all = tiles();
  const index = all.indexOf(current);
  const number = (firstNumber() + index).toLocaleString(document.documentElement.lang);
  const words = foundInAll() ? dialog.dataset.positionOf : dialog.dataset.position;
  slot("position").textContent = words.replace("{number}", number).replace("{found}", foundInAll());
  const last = index === all.length - 1 && !hasMore();
  turn(slot("previous"), index === 0, slot("next"));
  turn(slot("next"), last, slot("previous"));
  for (const tile of [all[index + 1], all[index - 1]]) if (tile) new Image().src = addressOf("large", tile);
  if (index >= all.length - SOON) loadMore();
}

// A disabled button would lose the focus.
function turn(button, off, other) {
  if (off && button === document.activeElement) other.focus();
  button.disabled = off;
}
