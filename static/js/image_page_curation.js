// Shortcuts on the page of one picture: focus its forms, or press their buttons.

import { pressed } from "./shortcut_key.js";

const KEYS = { t: ["tag"], a: ["album"], e: ["edit"], h: ["hide", "show"], Delete: ["trash"] };
const ways = (verbs) => verbs.map((verb) => document.querySelector(`.curate-one [data-verb=${verb}]`)).find(Boolean);

document.addEventListener("keydown", (event) => {
  const found = ways(KEYS[pressed(event)] ?? []);
  if (!found || document.querySelector("dialog[open]")) return;
  event.preventDefault();
  if (found.matches("button")) return found.click();
  const details = found.closest("details");
  details.open = true;
  return details.querySelector("input:not([type=hidden]), select, textarea").focus();
});
