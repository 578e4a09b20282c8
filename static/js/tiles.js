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

// Whether scrolling on would bring another page of results.
export function hasMore() {
  return document.querySelector(".more-ahead") !== null;
}

// Asks for the next page of results, as scrolling to it would.
export function loadMore() {
  const ahead = document.querySelector(".more-ahead");
  if (ahead && !ahead.classList.contains("htmx-request")) window.htmx.trigger(ahead, "revealed");
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
