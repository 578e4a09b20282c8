// On the page of one picture the keys lead to its forms, or press their buttons.

import { pressed } from "./pressed.js";

const button = (verb) => document.querySelector(`.curate-one [data-verb=${verb}]`);
const details = document.querySelector(".curate-one details");

const KEYS = {
  t: () => document.getElementById("curate-form-tags"),
  h: () => button("hide") ?? button("show"),
  e: () => document.getElementById("curate-form-title"),
  Delete: () => button("trash"),
};

document.addEventListener("keydown", (event) => {
  const found = KEYS[pressed(event)]?.();
  if (!found || document.querySelector("dialog[open]")) return;
  event.preventDefault();
  if (found.matches("button")) return found.click();
  if (details?.contains(found)) details.open = true;
  return found.focus();
});
