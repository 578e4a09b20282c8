// The timeline's scrubber: shows the visible month, and leads to the one where it is released. Without this script its
// years and months are links.

import { onResults } from "./tiles.js";

const scrubber = document.querySelector(".scrubber");
const told = scrubber?.querySelector("[data-slot=told]");
const marks = [...(scrubber?.querySelectorAll("[data-month]") ?? [])];

let held = null;
let isDragging = false;

if (scrubber) {
  watch();
  onResults(watch);
  scrubber.addEventListener("pointerdown", hold);
  scrubber.addEventListener("pointermove", drag);
  scrubber.addEventListener("pointerup", letGo);
  scrubber.addEventListener("pointercancel", forget);
  // The end of a drag is no click.
  scrubber.addEventListener("click", (event) => {
    if (isDragging) event.preventDefault();
    isDragging = false;
  });
  scrubber.addEventListener("dragstart", (event) => event.preventDefault());
}

function watch() {
  const seen = new IntersectionObserver(showWhere, { rootMargin: "0px 0px -60% 0px" });
  for (const month of document.querySelectorAll("h2.month:not([data-watched])")) {
    month.dataset.watched = "";
    seen.observe(month);
  }
}

function showWhere(entries) {
  const inSight = entries.filter((entry) => entry.isIntersecting).at(-1);
  if (inSight) show(inSight.target.dataset.month);
}

function show(month) {
  for (const mark of marks) {
    const isHere = mark.dataset.month === month;
    if (isHere) mark.setAttribute("aria-current", "true");
    else mark.removeAttribute("aria-current");
  }
  for (const year of scrubber.querySelectorAll(":scope > ol > li")) {
    year.classList.toggle("scrubber-now", year.querySelector("[aria-current]") !== null);
  }
}

// The month nearest to this height.
function markAt(y) {
  const seen = marks.filter((mark) => mark.offsetParent !== null);
  const far = (mark) => {
    const { top, bottom } = mark.getBoundingClientRect();
    return Math.max(top - y, y - bottom, 0);
  };
  return seen.reduce((best, mark) => (best && far(best) <= far(mark) ? best : mark), null);
}

function hold(event) {
  if (event.button !== 0 || !marks.some((mark) => mark.offsetParent !== null)) return;
  held = event.clientY;
}

function drag(event) {
  if (held === null) return;
  if (!isDragging && Math.abs(event.clientY - held) < 4) return;
  if (!isDragging) scrubber.setPointerCapture(event.pointerId);
  isDragging = true;
  const mark = markAt(event.clientY);
  told.textContent = mark.dataset.label;
  told.hidden = false;
  told.style.top = `${event.clientY}px`;
}

function letGo(event) {
  const goes = isDragging;
  forget();
  if (!goes) return;
  isDragging = true;
  location.assign(markAt(event.clientY).href);
}

function forget() {
  held = null;
  isDragging = false;
  told.hidden = true;
}
