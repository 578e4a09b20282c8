// A rectangle on the picture to search by what is in it. The numbers of the form and the outline always say the same.

const details = document.getElementById("region");
const form = details.querySelector("form");
const picture = document.querySelector(".stage-picture");
const sides = ["left", "top", "width", "height"];

const SMALLEST = 2; // percent
const CORNER = 28; // pixels, as wide as a finger needs
const A_DRAG = 6;

const overlay = document.createElement("div");
overlay.className = "region-overlay";
const outline = overlay.appendChild(document.createElement("div"));
outline.className = "region-outline";
// The form's button may lie below the screen: those who draw find it at their rectangle, all others in the form.
const go = overlay.appendChild(form.querySelector("button").cloneNode(true));
go.classList.add("region-go");
go.setAttribute("form", form.id);
go.setAttribute("aria-hidden", "true");
go.tabIndex = -1;
picture.after(overlay);

const numbers = () => Object.fromEntries(sides.map((side) => [side, form.elements[side].valueAsNumber || 0]));

function show() {
  overlay.hidden = !details.open;
  const { left, top, width, height } = numbers();
  Object.assign(outline.style, { left: `${left}%`, top: `${top}%`, width: `${width}%`, height: `${height}%` });
  overlay.style.setProperty("--middle", `${left + width / 2}%`);
  overlay.style.setProperty("--bottom", `${top + height}%`);
}

function set(rectangle) {
  for (const side of sides) form.elements[side].value = rectangle[side].toFixed(1);
  show();
}

// In percent of the picture, never outside.
function place({ clientX, clientY }) {
  const box = picture.getBoundingClientRect();
  const within = (share) => Math.min(100, Math.max(0, share * 100));
  return { x: within((clientX - box.left) / box.width), y: within((clientY - box.top) / box.height) };
}

function between(one, other) {
  const width = Math.max(SMALLEST, Math.abs(one.x - other.x));
  const height = Math.max(SMALLEST, Math.abs(one.y - other.y));
  return {
    left: Math.min(one.x, other.x, 100 - width),
    top: Math.min(one.y, other.y, 100 - height),
    width,
    height,
  };
}

// What dragging from a place does: from a corner it moves the corner, from within the rectangle, from elsewhere draws.
function dragFrom(event) {
  const start = place(event);
  const { left, top, width, height } = numbers();
  const box = picture.getBoundingClientRect();
  const isNear = (x, y) =>
    Math.hypot(((x - start.x) * box.width) / 100, ((y - start.y) * box.height) / 100) < CORNER / 2;
  if (details.open) {
    for (const x of [left, left + width]) {
      for (const y of [top, top + height]) {
        const opposite = { x: 2 * left + width - x, y: 2 * top + height - y };
        if (isNear(x, y)) return (to) => between(opposite, to);
      }
    }
    if (start.x > left && start.x < left + width && start.y > top && start.y < top + height) {
      return (to) => ({
        left: Math.min(100 - width, Math.max(0, left + to.x - start.x)),
        top: Math.min(100 - height, Math.max(0, top + to.y - start.y)),
        width,
        height,
      });
    }
  }
  return (to) => between(start, to);
}

function follow(event) {
  if (event.button || !event.isPrimary || go.contains(event.target)) return;
  const target = event.currentTarget;
  const drag = dragFrom(event);
  let begun = false;
  target.setPointerCapture(event.pointerId);
  const move = (moved) => {
    begun ||= Math.hypot(moved.clientX - event.clientX, moved.clientY - event.clientY) >= A_DRAG;
    if (!begun) return;
    details.open = true;
    set(drag(place(moved)));
  };
  const end = () => {
    for (const name of ["pointerup", "pointercancel"]) target.removeEventListener(name, end);
    target.removeEventListener("pointermove", move);
  };
  target.addEventListener("pointermove", move);
  target.addEventListener("pointerup", end);
  target.addEventListener("pointercancel", end);
}

overlay.addEventListener("pointerdown", follow);
// With a mouse the picture itself can be dragged over at once; a finger there scrolls the page.
picture.draggable = false;
picture.classList.add("region-ready");
picture.addEventListener("pointerdown", (event) => {
  if (event.pointerType !== "touch") follow(event);
});

// The overlay lies on the picture wherever the page puts it.
new ResizeObserver(() => {
  for (const side of ["Left", "Top", "Width", "Height"]) {
    overlay.style[side.toLowerCase()] = `${picture[`offset${side}`]}px`;
  }
}).observe(picture);

form.addEventListener("input", show);
details.addEventListener("toggle", show);
details.querySelector("summary").addEventListener("click", () => {
  if (!details.open) picture.scrollIntoView({ block: "nearest" });
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || !details.open) return;
  details.open = false;
  details.querySelector("summary").focus();
});
show();
