// Filters: the sheet on a phone, closed by its button and Escape; and the sliders, which show their value while they
// move. The results update when one is released.

const NARROW = matchMedia("(max-width: 64rem)");

const filters = () => document.querySelector("#filters[open]");

function close() {
  const open = filters();
  open.open = false;
  open.querySelector("summary").focus({ preventScroll: true });
}

document.addEventListener("click", ({ target }) => {
  if (target.closest("[data-closes-filters]")) close();
  if (!NARROW.matches || filters() || !target.closest("#filters > summary")) return;
  // Scroll to the results, past what is above them.
  requestAnimationFrame(() => document.querySelector(".found-list").scrollIntoView());
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || event.isComposing || !NARROW.matches || !filters()) return;
  if (!filters().contains(document.activeElement)) return;
  event.preventDefault();
  close();
});

document.addEventListener("input", ({ target }) => {
  if (!target.matches(".chip input[type=range]")) return;
  const step = document.querySelector(`#weights option[value="${target.value}"]`);
  // A URL may have a weight between the steps.
  const label = step?.label ?? target.value;
  target.setAttribute("aria-valuetext", label);
  target.parentElement.querySelector("output").value = label;
});

// The histogram of months is drawn only where filters are open, which is rare.
document.addEventListener("toggle", ({ target }) => target.matches("#filters[open]") && import("./months.js"), true);
if (filters()) import("./months.js");
