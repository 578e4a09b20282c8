// Shared by the page of a picture and the lightbox: zoom, full screen, slide show, search by a region, copy link.

import { copyLink } from "./copy.js";
import { pressed } from "./shortcut_key.js";
import { attachRegion } from "./region.js";
import { onSwipe } from "./swipe.js";
import { Zoom } from "./zoom.js";

const EACH = 5000; // milliseconds that a slide is shown after it has loaded

export class PictureViewer {
  // `step` is called with 1 or -1, and returns whether there is, or will be, a picture. `moreLike` returns the link to more
  // like the picture.
  constructor(one, step, moreLike = () => this.slot("more-like")) {
    this.one = one;
    this.step = step;
    this.moreLike = moreLike;
    this.due = 0;
    this.detach = () => {};
    this.zoom = new Zoom(one, () => this.isDrawing);
    onSwipe(this.slot("view"), this.step, () => this.zoom.isZoomed || this.isDrawing);
    one.addEventListener("click", (event) => this.#act(event));
    document.addEventListener("fullscreenchange", () => this.#showPressed());
    document.addEventListener("visibilitychange", () => document.hidden && this.stop());
    const full = this.#button("full");
    if (full) full.hidden = !document.fullscreenEnabled;
  }

  slot(name) {
    return this.one.querySelector(`[data-slot=${name}]`);
  }

  get isDrawing() {
    return Boolean(this.one.querySelector("#region[open]"));
  }

  get isPlaying() {
    return this.one.classList.contains("is-playing");
  }

  // Called when another picture is shown.
  shown() {
    this.attach();
    this.zoom.reset();
    this.#schedule();
  }

  // Called when the panel has loaded.
  attach() {
    this.detach();
    this.detach = attachRegion(this.one);
  }

  // What a key does to the picture that is shown, if anything.
  onKey(event) {
    const act = {
      ArrowRight: () => this.step(1),
      ArrowLeft: () => this.step(-1),
      s: () => this.moreLike()?.click(),
      f: () => this.#full(),
      p: () => this.#play(!this.isPlaying),
      z: () => this.zoom.toggle(),
      "+": () => this.zoom.to(this.zoom.scale * 1.5),
      "=": () => this.zoom.to(this.zoom.scale * 1.5),
      "-": () => this.zoom.to(this.zoom.scale / 1.5),
    }[pressed(event)];
    if (!act) return;
    event.preventDefault();
    act();
  }

  stop() {
    this.#play(false);
  }

  #button(name) {
    return this.one.querySelector(`[data-action=${name}]`);
  }

  #act(event) {
    const button = event.target.closest("[data-action]");
    const acts = {
      zoom: () => this.zoom.toggle(),
      slides: () => this.#play(!this.isPlaying),
      full: () => this.#full(),
      "copy-link": () => copyLink(button),
    };
    acts[button?.dataset.action]?.();
  }

  async #full() {
    if (document.fullscreenElement) await document.exitFullscreen();
    else await this.one.requestFullscreen?.().catch(() => null);
  }

  #play(whether) {
    this.one.classList.toggle("is-playing", whether);
    this.#showPressed();
    this.#schedule();
  }

  #showPressed() {
    this.#button("full")?.setAttribute("aria-pressed", String(document.fullscreenElement === this.one));
    this.#button("slides")?.setAttribute("aria-pressed", String(this.isPlaying));
  }

  #schedule() {
    clearTimeout(this.due);
    if (!this.isPlaying) return;
    const go = () => {
      clearTimeout(this.due);
      if (this.isPlaying) this.due = setTimeout(() => this.step(1) || this.stop(), EACH);
    };
    const picture = this.slot("picture");
    if (!picture || picture.complete) return void go();
    const shown = picture;
    shown.addEventListener("load", () => shown === this.slot("picture") && go(), { once: true });
    shown.addEventListener("error", () => shown === this.slot("picture") && go(), { once: true });
  }
}
