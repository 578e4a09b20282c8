// The visible part of the map, moved by mouse, touch, wheel and keys.

const MOST = 4000;
const STEP = 1.6;
const KEY_STEP = 0.15;
const DURATION = 180;
const CLICK = 5;

const still = matchMedia("(prefers-reduced-motion: reduce)");

export class View {
  // `onChange` is called after each change, `onStill` once the movement has ended.
  constructor(canvas, onChange, onStill) {
    Object.assign(this, { canvas, onChange, onStill, x: 0, y: 0, scale: 1, width: 1, height: 1, ratio: 1, goal: null });
    this.fit();
    new ResizeObserver(() => this.resize()).observe(canvas);
  }

  get whole() {
    return Math.min(this.width, this.height) / 2.12;
  }

  fit() {
    this.measure();
    Object.assign(this, { x: 0, y: 0, scale: this.whole });
  }

  measure() {
    const { clientWidth, clientHeight } = this.canvas;
    Object.assign(this, { width: clientWidth || 1, height: clientHeight || 1, ratio: Math.min(2, devicePixelRatio) });
    this.canvas.width = Math.round(this.width * this.ratio);
    this.canvas.height = Math.round(this.height * this.ratio);
  }

  resize() {
    const share = this.scale / this.whole;
    this.measure();
    this.scale = share * this.whole;
    this.changed();
  }

  // Converts map coordinates to pixels from the corner of the canvas, and back.
  shown(x, y) {
    return [(x - this.x) * this.scale + this.width / 2, (this.y - y) * this.scale + this.height / 2];
  }

  placeAt(left, top) {
    return [(left - this.width / 2) / this.scale + this.x, this.y - (top - this.height / 2) / this.scale];
  }

  changed() {
    this.scale = Math.max(0.7 * this.whole, Math.min(MOST * this.whole, this.scale));
    this.x = Math.max(-1.1, Math.min(1.1, this.x));
    this.y = Math.max(-1.1, Math.min(1.1, this.y));
    this.onChange();
    clearTimeout(this.resting);
    this.resting = setTimeout(this.onStill, 200);
  }

  pan(right, down) {
    this.x -= right / this.scale;
    this.y += down / this.scale;
    this.changed();
  }

  // Zooms with the point under a pixel fixed.
  zoomAt(left, top, by) {
    const [x, y] = this.placeAt(left, top);
    const before = this.scale;
    this.scale = Math.max(0.7 * this.whole, Math.min(MOST * this.whole, this.scale * by));
    const moved = before / this.scale;
    this.x = x + (this.x - x) * moved;
    this.y = y + (this.y - y) * moved;
    this.changed();
  }

  // Moves there with an animation; at once with reduced motion.
  glide(x, y, scale) {
    this.stop();
    const [fromX, fromY, from] = [this.x, this.y, this.scale];
    this.goal = { x, y, scale };
    const begin = performance.now();
    const go = (now) => {
      const share = still.matches ? 1 : Math.max(0, Math.min(1, (now - begin) / DURATION));
      const eased = share * (2 - share);
      this.x = fromX + (x - fromX) * eased;
      this.y = fromY + (y - fromY) * eased;
      this.scale = from * (scale / from) ** eased;
      this.changed();
      if (share < 1) this.gliding = requestAnimationFrame(go);
      else this.goal = null;
    };
    go(begin);
  }

  stop() {
    cancelAnimationFrame(this.gliding);
    this.goal = null;
  }

  // Relative to the target of a running animation: keys repeat faster than it moves.
  zoom(by) {
    const { x, y, scale } = this.goal ?? this;
    this.glide(x, y, scale * by);
  }

  step(right, up) {
    const { x, y, scale } = this.goal ?? this;
    const far = (KEY_STEP * Math.min(this.width, this.height)) / scale;
    this.glide(x + right * far, y + up * far, scale);
  }
}

// Handles pointers on the canvas. `on` gets what is no panning: click(left, top, event), hover(left, top), leave(),
// lasso(points of [left, top], whether it is done); `isLasso()` says whether a drag draws one.
export function moveByHand(view, on, isLasso) {
  const { canvas } = view;
  const held = new Map();
  let start = null;
  let drawn = null;
  const at = (event) => {
    const { left, top } = canvas.getBoundingClientRect();
    return [event.clientX - left, event.clientY - top];
  };

  canvas.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    canvas.setPointerCapture(event.pointerId);
    view.stop();
    held.set(event.pointerId, at(event));
    start = held.size === 1 ? at(event) : null;
    drawn = held.size === 1 && (isLasso() || event.shiftKey) ? [at(event)] : null;
    if (held.size > 1) on.lasso([], false);
  });

  canvas.addEventListener("pointermove", (event) => {
    const place = at(event);
    const before = held.get(event.pointerId);
    if (!before) {
      if (event.pointerType === "mouse") on.hover(...place);
      return;
    }
    if (start && Math.hypot(place[0] - start[0], place[1] - start[1]) > CLICK) start = null;
    if (drawn) {
      drawn.push(place);
      on.lasso(drawn, false);
    } else if (held.size === 2) {
      pinch(event.pointerId, before, place);
    } else if (!start) {
      on.leave();
      view.pan(place[0] - before[0], place[1] - before[1]);
    } else {
      return; // not further than a click may slip, measured from where it began
    }
    held.set(event.pointerId, place);
  });

  function pinch(finger, before, place) {
    const [other] = [...held].filter(([id]) => id !== finger).map(([, where]) => where);
    const apart = (one) => Math.hypot(one[0] - other[0], one[1] - other[1]) || 1;
    const middle = (one) => [(one[0] + other[0]) / 2, (one[1] + other[1]) / 2];
    const [from, to] = [middle(before), middle(place)];
    view.pan(to[0] - from[0], to[1] - from[1]);
    view.zoomAt(...to, apart(place) / apart(before));
  }

  const letGo = (event) => {
    if (!held.delete(event.pointerId)) return;
    if (drawn && event.type === "pointerup" && drawn.length > 2) on.lasso(drawn, true);
    else if (drawn) on.lasso([], false);
    else if (start && event.type === "pointerup") on.click(...at(event), event);
    start = drawn = null;
  };
  canvas.addEventListener("pointerup", letGo);
  canvas.addEventListener("pointercancel", letGo);
  // A lifted finger leaves too; what it has shown stays.
  canvas.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && !held.size && on.leave());
  canvas.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      view.stop();
      const pixels = event.deltaY * (event.deltaMode ? 20 : 1);
      view.zoomAt(...at(event), Math.exp(-Math.max(-200, Math.min(200, pixels)) / 300));
    },
    { passive: false },
  );
}

export const ZOOM_STEP = STEP;
