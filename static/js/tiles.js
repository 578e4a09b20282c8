// The results on the page, in reading order, without folded copies and those hidden on a phone.

export function tiles() {
  return everyTile().filter((tile) => tile.offsetWidth > 0);
}

export function everyTile() {
  return [...document.querySelectorAll("article.tile")];
}

export function tileOf(id) {
  return everyTile().find((tile) => tile.dataset.image === id);
}

// The rank of the first result on the page.
export function firstNumber() {
  return Number(document.getElementById("found").dataset.first);
}

// The total number of results, formatted; "" if unknown.
export function foundInAll() {
  return document.getElementById("found").dataset.found ?? "";
}

export function linkOf(tile) {
  return tile.querySelector(".tile-link");
}

export function titleOf(tile) {
  return tile.querySelector(".tile-title").textContent.trim();
}

// The tile's similarity and names, without interactive elements.
export function factsOf(tile) {
  const facts = tile.querySelector(".tile-facts").cloneNode(true);
  for (const pressable of facts.querySelectorAll("a, button, form, label")) pressable.remove();
  for (const named of facts.querySelectorAll("[id]")) named.removeAttribute("id");
  return [...facts.childNodes];
}

const AHEAD = ".more-ahead";
const REST = "#more [data-unfolds]";

// Whether there are more results: those that scrolling would load, or the rest of the weaker ones.
export function hasMore() {
  return document.querySelector(`${AHEAD}, ${REST}`) !== null;
}

// Requests the next page of results, as scrolling to its end would; with `withRest` also those behind a button.
export function loadMore({ withRest = false } = {}) {
  const ahead = document.querySelector(AHEAD);
  if (ahead && !ahead.classList.contains("htmx-request")) window.htmx.trigger(ahead, "revealed");
  const rest = withRest && document.querySelector(REST);
  if (rest && !rest.classList.contains("htmx-request")) rest.click();
}

// Calls `action` once after each change of the results; htmx fires an event per element.
export function onResults(action) {
  let isDue = false;
  document.addEventListener("htmx:afterSwap", () => {
    if (isDue) return;
    isDue = true;
    queueMicrotask(() => {
      isDue = false;
      action();
    });
  });
}

// Copies of a picture on the same page are folded under the first until they are opened.

document.addEventListener("click", (event) => {
  const button = event.target.closest(".tile-copies");
  if (!button) return;
  const { image } = button.closest("article.tile").dataset;
  const copies = [...document.querySelectorAll(`article.tile[data-copy-of="${image}"]`)];
  for (const copy of copies) copy.classList.remove("tile-copy");
  button.remove();
  if (copies.length) linkOf(copies[0]).focus();
});
