// A rectangle on the picture, to search by its content. The form's numbers and the outline are kept in sync.

const SIDES = ["left", "top", "width", "height"];
const SMALLEST = 2; // percent
const CORNER = 28; // pixels, as wide as a finger needs
const A_DRAG = 6;

// Enables drawing a region of the picture in `one`, whose panel has the form. Returns a function that disables it.
export function attachRegion(one) {
  const details = one.querySelector("#region");
  const frame = one.querySelector(".stage-frame");
  if (!details || !frame) return () => {};
  const region = new Drawing(one, details, frame);
  return () => region.remove();
}

class Drawing {
  constructor(one, details, frame) {
    Object.assign(this, { one, details, frame });
    this.form = details.querySelector("form");
    this.picture = frame.querySelector(".stage-picture");
    // The initial rectangle is a proposal: a drag starts a new one.
    this.isProposed = true;
    this.gone = new AbortController();
    this.#lay();
    this.#listen();
    this.show();
  }

  remove() {
    this.gone.abort();
    this.overlay.remove();
    this.picture.classList.remove("region-ready");
  }

  // The form's button is at the rectangle, for those who draw.
  #lay() {
    this.overlay = document.createElement("div");
    this.overlay.className = "region-overlay";
    this.outline = this.overlay.appendChild(document.createElement("div"));
    this.outline.className = "region-outline";
    this.go = this.form.querySelector("[type=submit]");
    this.go.setAttribute("form", this.form.id);
    this.overlay.append(this.go);
    this.frame.append(this.overlay);
    this.picture.draggable = false;
    this.picture.classList.add("region-ready");
  }

  #listen() {
    const { signal } = this.gone;
    this.overlay.addEventListener("pointerdown", (event) => this.#follow(event), { signal });
    // A mouse can drag on the picture at once; a finger there swipes to the next.
    this.picture.addEventListener(
      "pointerdown",
      (event) => {
        if (event.pointerType !== "touch" && !this.one.classList.contains("is-zoomed")) this.#follow(event);
      },
      { signal },
    );
    this.form.addEventListener(
      "input",
      () => {
        this.isProposed = false;
        this.show();
      },
      { signal },
    );
    this.details.addEventListener("toggle", () => this.#toggled(), { signal });
    // Before the lightbox, which would close.
    document.addEventListener("keydown", (event) => this.#leave(event), { signal, capture: true });
  }

  #toggled() {
    this.show();
    if (this.details.open) this.picture.scrollIntoView({ block: "nearest" });
    else this.isProposed = true;
  }

  #leave(event) {
    if (event.key !== "Escape" || !this.details.open || document.fullscreenElement) return;
    event.preventDefault();
    event.stopPropagation();
    this.details.open = false;
    this.details.querySelector("summary").focus();
  }

  get numbers() {
    return Object.fromEntries(SIDES.map((side) => [side, this.form.elements[side].valueAsNumber || 0]));
  }

  show() {
    const { left, top, width, height } = this.numbers;
    this.overlay.hidden = !this.details.open;
    this.overlay.classList.toggle("region-proposed", this.isProposed);
    Object.assign(this.outline.style, { left: `${left}%`, top: `${top}%`, width: `${width}%`, height: `${height}%` });
    this.overlay.style.setProperty("--middle", `${left + width / 2}%`);
    this.overlay.style.setProperty("--bottom", `${top + height}%`);
  }

  #set(rectangle) {
    this.isProposed = false;
    for (const side of SIDES) this.form.elements[side].value = rectangle[side].toFixed(1);
    this.show();
  }

  // In percent of the picture, clamped to it.
  #place({ clientX, clientY }) {
    const box = this.picture.getBoundingClientRect();
    const within = (share) => Math.min(100, Math.max(0, share * 100));
    return { x: within((clientX - box.left) / box.width), y: within((clientY - box.top) / box.height) };
  }

  // What a drag does: from a corner it moves the corner, from within the rectangle moves it, from elsewhere draws anew.
  #dragFrom(event) {
    const start = this.#place(event);
    if (!this.details.open || this.isProposed) return (to) => between(start, to);
    const { left, top, width, height } = this.numbers;
    const box = this.picture.getBoundingClientRect();
    const isNear = (x, y) =>
      Math.hypot(((x - start.x) * box.width) / 100, ((y - start.y) * box.height) / 100) < CORNER / 2;
    for (const x of [left, left + width]) {
      for (const y of [top, top + height]) {
        const opposite = { x: 2 * left + width - x, y: 2 * top + height - y };
        if (isNear(x, y)) return (to) => between(opposite, to);
      }
    }
    const isWithin = start.x > left && start.x < left + width && start.y > top && start.y < top + height;
    if (!isWithin) return (to) => between(start, to);
    return (to) => ({
      left: Math.min(100 - width, Math.max(0, left + to.x - start.x)),
      top: Math.min(100 - height, Math.max(0, top + to.y - start.y)),
      width,
      height,
    });
  }

  #follow(event) {
    if (event.button || !event.isPrimary || this.go.contains(event.target)) return;
    const target = event.currentTarget;
    const drag = this.#dragFrom(event);
    let begun = false;
    target.setPointerCapture(event.pointerId);
    const move = (moved) => {
      begun ||= Math.hypot(moved.clientX - event.clientX, moved.clientY - event.clientY) >= A_DRAG;
      if (!begun) return;
      this.details.open = true;
      this.#set(drag(this.#place(moved)));
    };
    const end = () => {
      for (const name of ["pointerup", "pointercancel"]) target.removeEventListener(name, end);
      target.removeEventListener("pointermove", move);
    };
    target.addEventListener("pointermove", move);
    for (const name of ["pointerup", "pointercancel"]) target.addEventListener(name, end);
  }
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
