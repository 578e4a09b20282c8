// The results that are on the page, in the order they are read, without the copies that are folded, and those for which
// a phone has no room yet.

export function tiles() {
  return everyTile().filter((tile) => tile.offsetWidth > 0);
}

export function everyTile() {
  return [...document.querySelectorAll("article.tile")];
}

export function tileOf(id) {
  return everyTile().find((tile) => tile.dataset.image === id);
}

// Which result of the whole search the first one on the page is.
export function firstNumber() {
  return Number(document.getElementById("found").dataset.first);
}

// How many the whole search has found, as people read it; "" where that is not known.
export function foundInAll() {
  return document.getElementById("found").dataset.found ?? "";
}

export function linkOf(tile) {
  return tile.querySelector(".tile-link");
}

export function titleOf(tile) {
  return tile.querySelector(".tile-title").textContent.trim();
}

// What the tile says of its similarity, without what can be pressed there.
export function factsOf(tile) {
  const facts = tile.querySelector(".tile-facts").cloneNode(true);
  for (const pressable of facts.querySelectorAll("a, button, form, label")) pressable.remove();
  for (const named of facts.querySelectorAll("[id]")) named.removeAttribute("id");
  return [...facts.childNodes];
}

const AHEAD = ".more-ahead";
const REST = "#more [data-unfolds]";

// Whether there are more results: those that scrolling on would bring, or the rest of the weaker ones.
export function hasMore() {
  return document.querySelector(`${AHEAD}, ${REST}`) !== null;
}

// Asks for the next page of results, as scrolling to it would; `withRest` also for those that a button shows.
export function loadMore({ withRest = false } = {}) {
  const ahead = document.querySelector(AHEAD);
  if (ahead && !ahead.classList.contains("htmx-request")) window.htmx.trigger(ahead, "revealed");
  const rest = withRest && document.querySelector(REST);
  if (rest && !rest.classList.contains("htmx-request")) rest.click();
}

// Has `action` called once after each change of the results; htmx tells of every new element.
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

// Copies of a picture that follow on the same page of results stand folded under the first, until they are asked for.

document.addEventListener("click", (event) => {
  const button = event.target.closest(".tile-copies");
  if (!button) return;
  const { image } = button.closest("article.tile").dataset;
  const copies = [...document.querySelectorAll(`article.tile[data-copy-of="${image}"]`)];
  for (const copy of copies) copy.classList.remove("tile-copy");
  button.remove();
  if (copies.length) linkOf(copies[0]).focus();
});
