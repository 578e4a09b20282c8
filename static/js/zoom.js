// Zooming into a picture: by wheel, pinch, double click or keys. A finger or the mouse then pans it.

const MOST = 8;
const CLOSE = 2.5;
// Change of scale per pixel of the wheel, and of a touch pad.
const WHEEL = 0.0016;
const PINCH = 0.01;

export class Zoom {
  // `view` is the element around the picture's frame; `isOff()` says whether the picture is used for something else.
  constructor(one, isOff = () => false) {
    this.one = one;
    this.view = one.querySelector(".stage-view");
    this.isOff = isOff;
    this.fingers = null;
    this.reset();
    const stage = one.querySelector(".stage");
    stage.addEventListener("wheel", (event) => this.#onWheel(event), { passive: false });
    this.view.addEventListener("dblclick", (event) => this.#onDoubleClick(event));
    this.view.addEventListener("pointerdown", (event) => this.#onPointer(event));
    this.view.addEventListener("touchstart", (event) => this.#onTouch(event), { passive: false });
    this.view.addEventListener("touchmove", (event) => this.#onTouch(event), { passive: false });
    this.view.addEventListener("touchend", (event) => this.#onTouch(event));
  }

  get frame() {
    return this.view.querySelector(".stage-frame");
  }

  get isZoomed() {
    return this.scale > 1;
  }

  reset() {
    [this.scale, this.x, this.y] = [1, 0, 0];
    this.#draw();
  }

  toggle(at = null) {
    this.to(this.isZoomed ? 1 : CLOSE, at);
  }

  // Sets the scale with a point of the screen fixed, by default the middle.
  to(scale, at = null) {
    const next = Math.min(MOST, Math.max(1, scale));
    const { left, top, width, height } = this.view.getBoundingClientRect();
    const across = at ? at.clientX - left - width / 2 : 0;
    const down = at ? at.clientY - top - height / 2 : 0;
    const by = next / this.scale;
    this.scale = next;
    this.move(across - (across - this.x) * by, down - (down - this.y) * by);
  }

  // Clamped to the picture's edges.
  move(x, y) {
    const { clientWidth, clientHeight } = this.view;
    const most = (side, room) => Math.max(0, (side * this.scale - room) / 2);
    const [across, down] = [most(this.frame?.offsetWidth ?? 0, clientWidth), most(this.frame?.offsetHeight ?? 0, clientHeight)];
    this.x = Math.min(across, Math.max(-across, x));
    this.y = Math.min(down, Math.max(-down, y));
    this.#draw();
  }

  #draw() {
    this.one.classList.toggle("is-zoomed", this.isZoomed);
    this.one.querySelector("[data-action=zoom]")?.setAttribute("aria-pressed", String(this.isZoomed));
    if (!this.frame) return;
    this.frame.style.transform = this.isZoomed ? `translate(${this.x}px, ${this.y}px) scale(${this.scale})` : "";
  }

  // When not zoomed, the wheel scrolls the page as usual; and it scrolls back up before it zooms in.
  #onWheel(event) {
    if (this.isOff()) return;
    // Browsers report a pinch on a touch pad as a wheel with ctrl.
    const isPinch = event.ctrlKey;
    const isAway = !this.one.closest("dialog") && !document.fullscreenElement && window.scrollY > 0;
    if (!isPinch && !this.isZoomed && (event.deltaY >= 0 || isAway)) return;
    event.preventDefault();
    const pixels = event.deltaY * (event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 16 : 1);
    this.to(this.scale * Math.exp(-pixels * (isPinch ? PINCH : WHEEL)), event);
  }

  #onDoubleClick(event) {
    if (this.isOff() || event.target.closest("button, a")) return;
    event.preventDefault();
    getSelection()?.empty();
    this.toggle(event);
  }

  #onPointer(event) {
    if (!this.isZoomed || this.isOff() || event.pointerType === "touch" || event.button) return;
    event.preventDefault();
    event.stopPropagation();
    const start = { x: event.clientX - this.x, y: event.clientY - this.y };
    const move = (moved) => this.move(moved.clientX - start.x, moved.clientY - start.y);
    const end = () => {
      this.view.removeEventListener("pointermove", move);
      for (const name of ["pointerup", "pointercancel"]) this.view.removeEventListener(name, end);
    };
    this.view.setPointerCapture(event.pointerId);
    this.view.addEventListener("pointermove", move);
    for (const name of ["pointerup", "pointercancel"]) this.view.addEventListener(name, end);
  }

  // Two fingers zoom, one pans a zoomed picture.
  #onTouch(event) {
    if (this.isOff()) return;
    const { touches } = event;
    const isOurs = touches.length > 1 || (touches.length === 1 && this.isZoomed);
    if (!isOurs) {
      this.fingers = null;
      return;
    }
    if (event.cancelable) event.preventDefault();
    const now = placeOf(touches);
    const before = this.fingers;
    this.fingers = now;
    if (event.type !== "touchmove" || before?.count !== now.count) return;
    this.move(this.x + now.clientX - before.clientX, this.y + now.clientY - before.clientY);
    if (now.count > 1) this.to((this.scale * now.apart) / before.apart, now);
  }
}

function placeOf(touches) {
  const [one, other = touches[0]] = touches;
  return {
    count: Math.min(2, touches.length),
    clientX: (one.clientX + other.clientX) / 2,
    clientY: (one.clientY + other.clientY) / 2,
    apart: Math.max(1, Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY)),
  };
}
