// Pictures on the map: thumbnails where there is room, and a larger card for the picture under the pointer.

import { idAt } from "./map_points.js";

const AT_ONCE = 60;
const CELL = 76;
const SIDE = 60;
// Maximum of pictures that a thumbnail may stand for.
const STANDS_FOR = 12;
const MOST = 150;
const PASSING = 60;

// Details of pictures from the server, each requested once.
export class Pictures {
  constructor(points, address) {
    Object.assign(this, { points, address, known: new Map() });
  }

  // Calls `action` when new details have arrived.
  async ask(numbers, action) {
    const missing = numbers.filter((one) => !this.known.has(one));
    for (const one of missing) this.known.set(one, null);
    for (let start = 0; start < missing.length; start += AT_ONCE) {
      const some = missing.slice(start, start + AT_ONCE);
      const asked = new URLSearchParams(some.map((one) => ["id", idAt(this.points.ids, one)]));
      const answer = await fetch(`${this.address}?${asked}`).catch(() => null);
      const told = answer?.ok ? await answer.json().catch(() => null) : null;
      // A failed request may be repeated; pictures that are gone are not requested again.
      if (!told) for (const one of some) this.known.delete(one);
      else this.keep(some, told.pictures, asked.getAll("id"));
      action();
    }
  }

  keep(numbers, pictures, ids) {
    const byId = new Map(pictures.map((picture) => [picture.id, picture]));
    numbers.forEach((one, place) => this.known.set(one, byId.get(ids[place]) ?? false));
  }
}

// One picture for each cell of a grid fixed to the map, so that it stays the same while panning.
export function chosen(view, grid) {
  const cell = 2 ** Math.ceil(Math.log2(CELL / view.scale));
  const [west, north] = view.placeAt(0, 0);
  const [east, south] = view.placeAt(view.width, view.height);
  const firsts = new Map();
  let count = 0;
  grid.within(west, south, east, north, (one) => {
    const key = `${Math.floor(grid.x[one] / cell)} ${Math.floor(grid.y[one] / cell)}`;
    count += 1;
    if (!(firsts.get(key) <= one)) firsts.set(key, one);
  });
  if (count > STANDS_FOR * firsts.size) return [];
  const kept = [];
  for (const one of firsts.values()) {
    const [left, top] = view.shown(grid.x[one], grid.y[one]);
    const isFree = kept.every(([, x, y]) => Math.abs(x - left) > SIDE || Math.abs(y - top) > SIDE);
    if (isFree) kept.push([one, left, top]);
    if (kept.length >= MOST) break;
  }
  return kept.map(([one]) => one);
}

// Thumbnails, in a layer over the canvas that moves with it.
export class Thumbnails {
  constructor(layer, view, grid, pictures) {
    Object.assign(this, { layer, view, grid, pictures, shown: new Map() });
  }

  choose() {
    const wanted = new Set(chosen(this.view, this.grid));
    for (const [one, element] of this.shown) {
      if (wanted.has(one)) continue;
      element.remove();
      this.shown.delete(one);
    }
    this.wanted = wanted;
    this.add();
    this.pictures.ask([...wanted], () => this.add());
  }

  add() {
    for (const one of this.wanted) {
      const picture = this.pictures.known.get(one);
      if (!picture || this.shown.has(one)) continue;
      const image = Object.assign(new Image(), { src: picture.thumbnail, alt: "" });
      this.layer.append(image);
      this.shown.set(one, image);
    }
    this.move();
  }

  // The number of the thumbnail at a position on the canvas; -1 for none.
  at(left, top) {
    for (const [one, { offsetWidth, offsetHeight }] of this.shown) {
      const [x, y] = this.view.shown(this.grid.x[one], this.grid.y[one]);
      if (Math.abs(x - left) <= offsetWidth / 2 && Math.abs(y - top) <= offsetHeight / 2) return one;
    }
    return -1;
  }

  move() {
    for (const [one, element] of this.shown) {
      const [left, top] = this.view.shown(this.grid.x[one], this.grid.y[one]);
      element.style.transform = `translate(${Math.round(left)}px, ${Math.round(top)}px) translate(-50%, -50%)`;
    }
  }
}

// Names of groups; where two overlap, the larger group's.
export class Labels {
  constructor(layer, view, groups) {
    Object.assign(this, { view, groups });
    for (const group of groups) {
      const label = Object.assign(document.createElement("span"), { textContent: group.label });
      layer.append(label);
      Object.assign(group, { element: label, width: 0 });
    }
  }

  choose() {
    for (const group of this.groups) group.width ||= group.element.offsetWidth;
    const kept = [];
    for (const group of this.groups) {
      const [left, top] = this.view.shown(group.x, group.y);
      const isFree = kept.every((one) => Math.abs(one.left - left) > (one.width + group.width) / 2 + 4 || Math.abs(one.top - top) > 26);
      group.element.classList.toggle("map-label-off", !isFree);
      if (isFree) kept.push({ left, top, width: group.width });
    }
  }

  move() {
    for (const { element, x, y } of this.groups) {
      const [left, top] = this.view.shown(x, y);
      element.style.transform = `translate(${Math.round(left)}px, ${Math.round(top)}px) translate(-50%, -50%)`;
    }
  }
}

// The card of the picture under the pointer, with its title: beside the point, where there is room.
export class Card {
  constructor(element, view, grid, pictures) {
    Object.assign(this, { element, view, grid, pictures, number: -1 });
    this.link = element.querySelector("a");
    this.image = element.querySelector("img");
    this.title = element.querySelector("[data-slot=title]");
  }

  show(number) {
    if (number === this.number) return;
    this.number = number;
    this.element.hidden = true;
    if (number < 0) return;
    this.fill();
    // A moving pointer passes over many.
    clearTimeout(this.waiting);
    this.waiting = setTimeout(() => this.pictures.ask([number], () => this.fill()), PASSING);
  }

  fill() {
    const picture = this.pictures.known.get(this.number);
    if (!picture || !this.element.hidden) return;
    this.link.href = picture.page;
    this.image.src = picture.thumbnail;
    this.image.width = picture.width;
    this.image.height = picture.height;
    this.title.textContent = picture.title;
    this.element.hidden = false;
    this.move();
  }

  move() {
    if (this.number < 0 || this.element.hidden) return;
    const [left, top] = this.view.shown(this.grid.x[this.number], this.grid.y[this.number]);
    const { offsetWidth, offsetHeight } = this.element;
    const right = left + 14 + offsetWidth > this.view.width ? left - 14 - offsetWidth : left + 14;
    const down = Math.max(4, Math.min(this.view.height - offsetHeight - 4, top - offsetHeight / 2));
    this.element.style.transform = `translate(${Math.round(Math.max(4, right))}px, ${Math.round(down)}px)`;
  }
}
