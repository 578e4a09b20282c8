// Histogram of the months in which pictures were taken: dragging over several selects their days.
// Without this script each bar is a link to its month.

let begun = null;
let isDragging = false;

const barAt = ({ clientX, clientY }, list) => {
  const bars = [...list.querySelectorAll("a")];
  const { top, bottom } = list.getBoundingClientRect();
  const under = document.elementFromPoint(clientX, Math.min(Math.max(clientY, top + 1), bottom - 1))?.closest("a");
  return bars.includes(under) ? under : null;
};

document.addEventListener("pointerdown", (event) => {
  const list = event.target.closest?.("[data-bars]");
  if (!list || event.button !== 0) return;
  const bar = barAt(event, list);
  begun = bar && { list, from: bar, to: bar };
  isDragging = false;
});
document.addEventListener("pointermove", (event) => {
  if (!begun) return;
  const bar = barAt(event, begun.list);
  if (!bar || bar === begun.to) return;
  begun.to = bar;
  isDragging = true;
  mark();
});
document.addEventListener("pointerup", () => {
  const taken = isDragging && begun && ends();
  begun = null;
  if (!taken) return;
  const [since, until] = ["taken-since", "taken-until"].map((id) => document.getElementById(id));
  since.max = until.min = "";
  since.value = taken[0].dataset.first;
  until.value = taken[1].dataset.last;
  until.dispatchEvent(new Event("change", { bubbles: true }));
});
document.addEventListener("pointercancel", () => (begun = null));
document.addEventListener("dragstart", (event) => {
  if (event.target.closest?.("[data-bars]")) event.preventDefault();
});
// The end of a drag is no click.
document.addEventListener(
  "click",
  (event) => {
    if (!isDragging || !event.target.closest("[data-bars]")) return;
    isDragging = false;
    event.preventDefault();
    event.stopPropagation();
  },
  { capture: true },
);

function ends() {
  const bars = [...begun.list.querySelectorAll("a")];
  return [begun.from, begun.to].sort((one, other) => bars.indexOf(one) - bars.indexOf(other));
}

function mark() {
  const bars = [...begun.list.querySelectorAll("a")];
  const [first, last] = ends();
  for (const bar of bars) {
    const within = bars.indexOf(bar) >= bars.indexOf(first) && bars.indexOf(bar) <= bars.indexOf(last);
    bar.parentElement.classList.toggle("chosen", within);
  }
  const told = begun.list.parentElement.querySelector("[data-bars-told]");
  if (told) told.textContent = `${first.dataset.first} – ${last.dataset.last}`;
}
