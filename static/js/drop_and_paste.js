// Drops anywhere on the page, and pastes.

import { readGiven } from "./dropped_content.js";

const FIELDS = "input, textarea, select, [contenteditable]";

const inField = (event) => event.target.closest?.(FIELDS) != null;
const onBox = (event) => event.target.closest?.("#box") != null;

// Calls `receive` with the data. Words pasted or dropped into a field are left to the field.
export function onGiven(receive) {
  const veil = document.getElementById("veil");
  let inside = 0;
  // Ignore a picture of this page dropped near its origin; on the search box it counts.
  let isOwn = false;

  const carries = (event, kind) => event.dataTransfer?.types.includes(kind) ?? false;
  const showsPicture = (event) => carries(event, "Files") || carries(event, "text/uri-list");
  const isWanted = (event) => {
    if (isOwn) return onBox(event) && carries(event, "text/uri-list");
    return carries(event, "Files") || !inField(event) || (onBox(event) && showsPicture(event));
  };
  const show = (visible) => {
    veil.hidden = !visible;
  };

  document.addEventListener("dragstart", () => {
    isOwn = true;
  });
  document.addEventListener("dragend", () => {
    isOwn = false;
  });
  document.addEventListener("dragenter", (event) => {
    if (isOwn || !showsPicture(event)) return;
    inside += 1;
    show(true);
  });
  document.addEventListener("dragleave", (event) => {
    if (isOwn || !showsPicture(event)) return;
    inside = Math.max(0, inside - 1);
    show(inside > 0);
  });
  document.addEventListener("dragover", (event) => {
    if (isWanted(event)) event.preventDefault();
  });
  document.addEventListener("drop", (event) => {
    inside = 0;
    show(false);
    if (!isWanted(event)) return;
    event.preventDefault();
    receive(readGiven(event.dataTransfer));
  });
  document.addEventListener("paste", (event) => {
    if (!event.clipboardData) return;
    const given = readGiven(event.clipboardData);
    const { files, folders, addresses, words, hasText } = given;
    if (inField(event) && (words || (hasText && !files.length))) return;
    if (!words && !files.length && !folders.length && !addresses.length) return;
    event.preventDefault();
    receive(given);
  });
}
