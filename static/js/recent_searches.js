// Recent searches: on the start page, and under the empty box while it is focused. They never leave this browser.

import { askedIn, forgetAll, forgetSearch, recentSearches, rememberSearch } from "./recent_searches_storage.js";

const panel = document.getElementById("recent");
const list = panel.querySelector(".recent-list");
const template = panel.querySelector("template");
const box = document.getElementById("words");
const PICTURES = 3;

note();
show();

// Live results follow every pause in typing; a search is recorded only when the user goes on from it.
window.addEventListener("pagehide", note);
box.addEventListener("change", () => {
  // An unfinished search after a pause is not recorded.
  const searched = new URLSearchParams(location.search).get("q") ?? "";
  const isHalfTyped = box.value.trim() !== searched && box.value.startsWith(searched);
  if (!isHalfTyped) note();
});
document.addEventListener("click", (event) => {
  if (event.target.closest("article.tile")) note();
});

for (const event of ["pageshow", "popstate", "storage"]) window.addEventListener(event, () => show());
document.addEventListener("htmx:afterSettle", () => show());
for (const event of ["focus", "input"]) box.addEventListener(event, () => show());
for (const one of [box, panel]) one.addEventListener("focusout", (event) => show(event.relatedTarget));
// Keep the focus in the box, else the panel would close before the button is released.
panel.addEventListener("mousedown", (event) => event.preventDefault());
panel.addEventListener("click", onClick);
box.addEventListener("keydown", (event) => {
  if (event.key === "ArrowDown" && !box.value && !panel.hidden) go(event, list.querySelector("a"));
});
panel.addEventListener("keydown", (event) => {
  const links = [...list.querySelectorAll("a")];
  const index = links.indexOf(document.activeElement);
  if (event.key === "Escape") document.activeElement.blur();
  if (event.key === "ArrowDown" && index >= 0) go(event, links[index + 1]);
  if (event.key === "ArrowUp" && index >= 0) go(event, links[index - 1] ?? box);
});

function go(event, target) {
  event.preventDefault();
  target?.focus();
}

// The URL is that of the results on the page; a failed search has none.
function note() {
  if (!document.querySelector(".asking .problem:not(:empty)")) rememberSearch(askedIn(location.search));
}

function show(focused = document.activeElement) {
  // The page about a rejected picture has no search in its URL; its heading says whether it is the start page.
  const isStart = !askedIn(location.search) && document.querySelector(".heading-first") !== null;
  // With the first letter the list makes room for results, before they arrive.
  const isOpen = !box.value && (isStart || focused === box || panel.contains(focused));
  const searches = isOpen ? recentSearches() : [];
  panel.classList.toggle("recent-over", !isStart);
  // Unchanged lists stay: the focus may be in them.
  const shown = [...list.children].map((item) => item.dataset.asked);
  if (searches.length && String(shown) !== String(searches)) list.replaceChildren(...searches.map(itemFor));
  panel.hidden = !searches.length || [...list.children].every((item) => item.hidden);
}

function itemFor(asked) {
  const item = template.content.firstElementChild.cloneNode(true);
  const params = new URLSearchParams(asked);
  const words = [...params.getAll("q"), ...params.getAll("not").map((word) => `−${word}`)].join(" ");
  item.dataset.asked = asked;
  item.querySelector("a").href = `${panel.dataset.results}?${asked}`;
  item.querySelector(".recent-words").textContent = words || panel.dataset.byPicture;
  const remove = item.querySelector("button");
  remove.title = panel.dataset.remove.replace("{search}", () => words || panel.dataset.byPicture);
  remove.setAttribute("aria-label", remove.title);
  item.querySelector("a").prepend(...pictures(params).map((address) => thumbnail(address, item)));
  return item;
}

function pictures(params) {
  const address = (name) => (id) => panel.dataset[name].replace(panel.dataset.nobody, encodeURIComponent(id));
  const shown = params.getAll("picture").map(address("picture"));
  return [...shown, ...params.getAll("like").map(address("like"))].slice(0, PICTURES);
}

function thumbnail(address, item) {
  const picture = new Image(28, 28);
  picture.alt = "";
  // Query pictures expire.
  picture.addEventListener("error", () => {
    item.hidden = true;
    show();
  });
  picture.src = address;
  return picture;
}

function onClick(event) {
  const button = event.target.closest("button");
  if (!button) return;
  const item = button.closest("li");
  if (!item) {
    forgetAll();
    box.focus();
    return show();
  }
  // Move the focus first: losing it with the element would rebuild the list.
  const next = item.nextElementSibling ?? item.previousElementSibling;
  if (item.contains(document.activeElement)) (next?.querySelector("button") ?? box).focus();
  forgetSearch(item.dataset.asked);
  item.remove();
  return show();
}
