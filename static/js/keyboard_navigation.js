// Keyboard: arrows move through the results, "s" searches for similar ones, "?" lists the keys, Escape leaves the box.

import { pressed } from "./shortcut_key.js";
import { linkOf, tiles } from "./tiles.js";

const help = document.getElementById("keys-help");
const SAME_ROW = 4;

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-opens=keys-help]")) help.showModal();
});

// A click on the backdrop closes the list.
help.addEventListener("click", (event) => {
  if (event.target === help) help.close();
});

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !event.isComposing) return leaveBox(event);
  const key = pressed(event);
  if (key === "?" && !help.open) {
    event.preventDefault();
    return help.showModal();
  }
  if (document.querySelector(":is(dialog[open], [popover]:not([popover=manual]):popover-open)")) return undefined;
  const tile = document.activeElement.closest("article.tile");
  if (tile && key === "s") return tile.querySelector("a.more-like-this")?.click();
  const next = neighbour(key, tile);
  if (!next) return undefined;
  event.preventDefault();
  linkOf(next).focus();
  return undefined;
});

// The browser would clear the box; its words are kept.
function leaveBox(event) {
  if (event.target.id !== "words") return;
  event.preventDefault();
  event.target.blur();
}

function neighbour(key, tile) {
  if (!tile) return first(key);
  const all = tiles();
  const index = all.indexOf(tile);
  if (key === "ArrowRight") return all[index + 1];
  if (key === "ArrowLeft") return all[index - 1];
  if (key === "ArrowDown") return inNextRow(all, tile, 1);
  if (key === "ArrowUp") return inNextRow(all, tile, -1);
  return undefined;
}

// Without focus, up and down scroll as usual; left and right focus the first visible result.
function first(key) {
  const nowhere = [document.body, document.getElementById("main")].includes(document.activeElement);
  if (!nowhere || !["ArrowLeft", "ArrowRight"].includes(key)) return undefined;
  return tiles().find((tile) => linkOf(tile).getBoundingClientRect().top >= 0);
}

function inNextRow(all, tile, direction) {
  const here = place(tile);
  const beyond = all.map(place).filter((one) => (one.top - here.top) * direction > SAME_ROW);
  const row = Math.min(...beyond.map((one) => one.top * direction)) * direction;
  const inRow = beyond.filter((one) => Math.abs(one.top - row) <= SAME_ROW);
  inRow.sort((one, other) => Math.abs(one.middle - here.middle) - Math.abs(other.middle - here.middle));
  return inRow[0]?.tile;
}

function place(tile) {
  const { top, left, width } = tile.getBoundingClientRect();
  return { tile, top, middle: left + width / 2 };
}
