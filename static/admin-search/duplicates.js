// Compares two copies, flickering or side by side, both magnified at the pointer; and decides groups by keys.

const dialog = document.querySelector(".duplicate-compare");
const stage = dialog.querySelector(".duplicate-stage");
const sides = [...stage.querySelectorAll("img")];
const FLICKER = 500; // milliseconds
const NEARER = 3; // times
let links = [];
let other = 1;
let timer = 0;

for (const button of document.querySelectorAll("[data-compare]")) {
  button.hidden = false;
  button.addEventListener("click", () => open(button.closest("form")));
}
dialog.querySelector("[data-mode]").addEventListener("click", () => flicker(!timer));
dialog.querySelector("[data-following]").addEventListener("click", () => {
  other = other + 1 < links.length ? other + 1 : 1;
  show();
});
dialog.querySelector("[data-close]").addEventListener("click", () => dialog.close());
dialog.addEventListener("close", () => flicker(false));
stage.addEventListener("pointermove", zoom);
stage.addEventListener("pointerleave", () => sides.forEach((side) => side.removeAttribute("style")));

function open(group) {
  links = [...group.querySelectorAll(".duplicate-link")];
  other = 1;
  show();
  dialog.showModal();
}

function show() {
  [links[0], links[other]].forEach((link, number) => {
    sides[number].src = link.dataset.large;
    sides[number].alt = link.querySelector("img").alt;
  });
}

function flicker(on) {
  clearInterval(timer);
  timer = on ? setInterval(() => stage.classList.toggle("second"), FLICKER) : 0;
  stage.classList.toggle("flickers", on);
}

// Both show the same point, so that differences are visible.
function zoom(event) {
  const side = event.target.closest("img");
  if (!side || event.pointerType === "touch") return;
  const box = side.parentElement.getBoundingClientRect();
  const columns = timer ? 1 : 2;
  const width = box.width / columns;
  const x = (((event.clientX - box.left) % width) / width) * 100;
  const y = ((event.clientY - box.top) / box.height) * 100;
  for (const each of sides) {
    each.style.transformOrigin = `${x}% ${y}%`;
    each.style.transform = `scale(${NEARER})`;
    each.style.clipPath = `inset(${y * (1 - 1 / NEARER)}% ${(100 - x) * (1 - 1 / NEARER)}% ${(100 - y) * (1 - 1 / NEARER)}% ${x * (1 - 1 / NEARER)}%)`;
  }
}

// After a decision, focus the next group for the same keys.
if (document.querySelector(".messagelist")) document.querySelector(".duplicate-group")?.focus();

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select, dialog")) return;
  const groups = [...document.querySelectorAll(".duplicate-group")];
  const here = groups.indexOf(document.activeElement.closest(".duplicate-group"));
  const group = groups[here];
  const step = { j: 1, k: -1 }[event.key];
  if (step) {
    groups[Math.min(Math.max(here + step, 0), groups.length - 1)]?.focus();
  } else if (group && event.key === "c") {
    open(group);
  } else if (group && event.key === "s") {
    group.querySelector("[name=stay]").click();
  } else if (group && /^[1-9]$/.test(event.key)) {
    group.querySelectorAll("[name=keep]")[event.key - 1]?.click();
  }
});
