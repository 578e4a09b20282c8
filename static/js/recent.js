// Recent searches: on the start page, and under the empty box while it is focused. They never leave this browser.

import { askedIn, forgetAll, forgetSearch, recentSearches, rememberSearch } from "./remembered.js";

const panel = document.getElementById("recent");
const list = panel.querySelector(".recent-list");
const template = panel.querySelector("template");
const box = document.getElementById("words");
const PICTURES = 3;

note();
show();

// Live results follow every pause in the typing; what was meant shows when somebody goes on from it.
window.addEventListener("pagehide", note);
box.addEventListener("change", () => {
  // A pause in the middle of typing was searched too, but not meant.
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
// Pressing something in the panel leaves the focus in the box, or the panel would go before it is released.
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

// The address is that of the results on the page; a search that failed has none.
function note() {
  if (!document.querySelector(".asking .problem:not(:empty)")) rememberSearch(askedIn(location.search));
}

function show(focused = document.activeElement) {
  // The page about a refused picture has an address that tells nothing; its heading says whether anything is asked.
  const isStart = !askedIn(location.search) && document.querySelector(".heading-first") !== null;
  const isOpen = isStart || (!box.value && (focused === box || panel.contains(focused)));
  const searches = isOpen ? recentSearches() : [];
  panel.classList.toggle("recent-over", !isStart);
  // Left as it is where nothing has changed: the focus may be in it.
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
  // A picture that was shown is not kept for ever.
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
  // The focus goes first: what loses it by going away would have the list made anew.
  const next = item.nextElementSibling ?? item.previousElementSibling;
  if (item.contains(document.activeElement)) (next?.querySelector("button") ?? box).focus();
  forgetSearch(item.dataset.asked);
  item.remove();
  return show();
}
