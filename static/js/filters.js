// What refines a search: the sheet of filters, on a phone, which its button and Escape close; and the sliders, which say what
// they stand at while they are moved. The results follow when one is let go.

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
  // What the sheet leaves in sight are the results, whatever stands above them.
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
  // An address may say a weight between the steps.
  const label = step?.label ?? target.value;
  target.setAttribute("aria-valuetext", label);
  target.parentElement.querySelector("output").value = label;
});

// Bars of months are drawn where filters are open, which most searches never see.
document.addEventListener("toggle", ({ target }) => target.matches("#filters[open]") && import("./months.js"), true);
if (filters()) import("./months.js");
