// The sheet of filters, on a phone: its button and Escape close it.

const NARROW = matchMedia("(max-width: 64rem)");

const filters = () => document.querySelector("#filters[open]");

function close() {
  const open = filters();
  open.open = false;
  open.querySelector("summary").focus({ preventScroll: true });
}

document.addEventListener("click", ({ target }) => {
  if (target.closest("[data-closes-filters]")) close();
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || event.isComposing || !NARROW.matches || !filters()) return;
  if (!filters().contains(document.activeElement)) return;
  event.preventDefault();
  close();
});
