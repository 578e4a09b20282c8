// The page of one picture: keys and swipes follow its links to the neighbours.

import { PictureViewer } from "./picture_viewer.js";

const one = document.querySelector(".one");
const viewer = new PictureViewer(one, step);
viewer.shown();

const wayOf = (by) => one.querySelector(`.stage-way[rel~=${by > 0 ? "next" : "prev"}]`);

function step(by) {
  const way = wayOf(by);
  if (!way) return false;
  // Navigation would end full screen and the slide show.
  if (viewer.isPlaying || document.fullscreenElement) show(way.href);
  else way.click();
  return true;
}

let asked = new AbortController();

async function show(address) {
  asked.abort();
  asked = new AbortController();
  const { signal } = asked;
  const html = await fetch(address, { signal })
    .then((answer) => (answer.ok ? answer.text() : ""))
    .catch(() => "");
  if (signal.aborted) return undefined;
  const page = new DOMParser().parseFromString(html, "text/html");
  const next = page.querySelector(".one");
  if (!next) return location.assign(address);
  history.replaceState(history.state, "", address);
  document.title = page.title;
  // The toolbar stays, with its focused button.
  for (const name of ["view", "panel", "position"]) {
    viewer.slot(name).replaceChildren(...next.querySelector(`[data-slot=${name}]`).childNodes);
  }
  for (const way of one.querySelectorAll(".stage-way")) way.remove();
  viewer.slot("view").after(...next.querySelectorAll(".stage-way"));
  return viewer.shown();
}

document.addEventListener("keydown", (event) => {
  if (!document.querySelector("dialog[open]")) viewer.onKey(event);
});
