// A result shown large, with the ways to the next and the previous one.

import { onMoreFailed } from "./more.js";
import { pressed } from "./pressed.js";
import { clearAddress, idInAddress, leaveAddress, pushToAddress, replaceInAddress } from "./shown_large.js";
import { onSwipe } from "./swipe.js";
import { factsOf, firstNumber, hasMore, linkOf, loadMore, onResults, tileOf, tiles, titleOf } from "./tiles.js";

const dialog = document.getElementById("lightbox");
const slot = (name) => dialog.querySelector(`[data-slot=${name}]`);
const NOBODY = "00000000-0000-0000-0000-000000000000";
const SOON = 3;

let current = null;
let waiting = false;
// Whether the next result was asked for and has not come. It may fail more than once: scrolling asks for it too.
let isOwed = false;

const addressOf = (kind, tile) => dialog.dataset[kind].replace(NOBODY, tile.dataset.image);

document.addEventListener("click", (event) => {
  const link = event.target.closest("article.tile .tile-link");
  // With ctrl, shift or the middle button the link leads where links lead.
  if (!link || event.defaultPrevented || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  const tile = link.closest("article.tile");
  pushToAddress(tile.dataset.image);
  show(tile);
});

slot("next").addEventListener("click", () => step(1));
slot("previous").addEventListener("click", () => step(-1));
slot("stage").addEventListener("click", (event) => {
  if (event.target === slot("stage")) dialog.close();
});
onSwipe(slot("stage"), step);

dialog.addEventListener("keydown", (event) => {
  const act = {
    ArrowRight: () => step(1),
    ArrowLeft: () => step(-1),
    s: () => slot("more-like").click(),
  }[pressed(event)];
  if (!act) return;
  event.preventDefault();
  act();
});

dialog.addEventListener("close", () => {
  waiting = isOwed = false;
  leaveAddress();
  if (!current.isConnected) return;
  const { top, bottom } = current.getBoundingClientRect();
  if (bottom < 0 || top > window.innerHeight) current.scrollIntoView({ block: "center" });
  linkOf(current).focus({ preventScroll: true });
});

window.addEventListener("popstate", showWhatAddressSays);
showWhatAddressSays();

onResults(() => {
  if (!dialog.open || !current.isConnected) showWhatAddressSays();
  else if (waiting) step(1);
  else showWays();
});
// A curator has changed what is shown.
document.addEventListener("curated", () => {
  if (dialog.open) showFacts(current);
});
onMoreFailed((reason) => {
  // What is asked for ahead, and is not waited for, is asked for again by the next step.
  const isTold = Boolean(reason) && isOwed;
  slot("failed").textContent = isTold ? reason : "";
  slot("again").hidden = !isTold;
  if (reason) wait(false);
});
slot("again").addEventListener("click", () => {
  slot("next").focus();
  step(1);
});

function showWhatAddressSays() {
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
  } else if (by > 0 && hasMore()) {
    isOwed = true;
    wait(true);
    loadMore();
  }
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
  showPicture(tile);
  slot("title").textContent = titleOf(tile);
  slot("title").classList.toggle("visually-hidden", tile.querySelector(".untitled") !== null);
  slot("title").href = slot("page").href = linkOf(tile).href;
  showFacts(tile);
  showWhenTaken(tile);
  slot("download").href = addressOf("download", tile);
  lead(slot("more-like"), tile.querySelector("a.more-like-this"));
  lead(slot("less-like"), tile.querySelector("a.less-like-this"));
  if (!dialog.open) dialog.showModal();
  showWays();
}

function showFacts(tile) {
  slot("facts").replaceChildren(...factsOf(tile));
  const hidden = tile.classList.contains("tile-hidden");
  slot("hide")?.toggleAttribute("hidden", hidden);
  slot("show")?.toggleAttribute("hidden", !hidden);
}

// When and with what: no list of pictures knows, and few look.
async function showWhenTaken(tile) {
  slot("taken").hidden = slot("near").hidden = true;
  const told = await detailsOf(tile).catch(() => null);
  if (tile !== current || !told) return;
  const words = [whenTaken(told), told.camera, told.lens, told.place].filter(Boolean);
  slot("taken").textContent = words.join(" · ");
  slot("taken").hidden = !words.length;
  if (told.latitude === null) return;
  slot("near").href = addressOf("near", tile);
  slot("near").hidden = false;
}

async function detailsOf(tile) {
  const answer = await fetch(addressOf("details", tile));
  return answer.ok ? answer.json() : null;
}

// By the clock of the place, whatever the zone of whoever looks.
function whenTaken({ taken }) {
  if (!taken) return "";
  const clock = taken.slice(0, 19);
  const time = clock.endsWith("T00:00:00") ? {} : { timeStyle: "short" };
  const language = document.documentElement.lang;
  return new Intl.DateTimeFormat(language, { dateStyle: "long", timeZone: "UTC", ...time }).format(new Date(`${clock}Z`));
}

function lead(link, like) {
  link.hidden = !like;
  if (like) link.href = like.href;
  else link.removeAttribute("href");
}

// A new element each time: the old one would show the last picture until this one has come.
function showPicture(tile) {
  const small = tile.querySelector(".tile-frame img");
  const picture = new Image(small.getAttribute("width"), small.getAttribute("height"));
  picture.className = "lightbox-picture";
  picture.dataset.slot = "picture";
  picture.alt = titleOf(tile);
  picture.draggable = false;
  picture.style.setProperty("--width", picture.getAttribute("width"));
  picture.style.setProperty("--aspect", picture.getAttribute("width") / picture.getAttribute("height"));
  const sources = [small.currentSrc || small.src, tile.querySelector(".placeholder image").getAttribute("href")];
  picture.style.backgroundImage = sources.map((source) => `url("${source}")`).join(", ");
  picture.addEventListener("error", () => (picture.src = small.src), { once: true });
  picture.src = addressOf("large", tile);
  slot("picture").replaceWith(picture);
}

function showWays() {
  const all = tiles();
  const index = all.indexOf(current);
  slot("position").textContent = dialog.dataset.position.replace("{number}", firstNumber() + index);
  const last = index === all.length - 1 && !hasMore();
  turn(slot("previous"), index === 0, slot("next"));
  turn(slot("next"), last, slot("previous"));
  for (const tile of [all[index + 1], all[index - 1]]) if (tile) new Image().src = addressOf("large", tile);
  if (index >= all.length - SOON) loadMore();
}

// A button that is switched off would lose the focus to nowhere.
function turn(button, off, other) {
  if (off && button === document.activeElement) other.focus();
  button.disabled = off;
}
