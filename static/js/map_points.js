// The points of the map: parsed from the server's format, and searched by position.

const MAGIC = 0x4d415031;
const FULL = 32767;

// The format is that of `search/mapping/points.py`. Null for anything else.
export function readPoints(buffer) {
  const view = new DataView(buffer);
  if (buffer.byteLength < 8 || view.getUint32(0) !== MAGIC) return null;
  const count = view.getUint32(4);
  const from = (bytes) => 8 + count * bytes;
  const x = new Float32Array(count);
  const y = new Float32Array(count);
  const groups = new Uint16Array(count);
  const days = new Uint16Array(count);
  for (let one = 0; one < count; one += 1) {
    x[one] = view.getInt16(from(16) + 2 * one) / FULL;
    y[one] = view.getInt16(from(18) + 2 * one) / FULL;
    groups[one] = view.getUint16(from(20) + 2 * one);
    days[one] = view.getUint16(from(22) + 2 * one);
  }
  return { count, ids: new Uint8Array(buffer, 8, 16 * count), x, y, groups, days };
}

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

export function idAt(bytes, number) {
  let text = "";
  for (let one = 0; one < 16; one += 1) {
    if (one === 4 || one === 6 || one === 8 || one === 10) text += "-";
    text += HEX[bytes[16 * number + one]];
  }
  return text;
}

// The band of each point in a response of /map/marks: 0 for none, 1 for strong matches, 2 for related ones. Ids are
// sorted within each band only, so each is looked up.
export function readMarks(buffer, points) {
  const view = new DataView(buffer);
  const sizes = [view.getUint32(0), view.getUint32(4)];
  const ids = new Uint8Array(buffer, 8);
  const bands = new Uint8Array(points.count);
  const at = (sizes[0] + sizes[1]) && new DataView(points.ids.buffer, points.ids.byteOffset);
  for (let one = 0; one < sizes[0] + sizes[1]; one += 1) {
    const found = numberOf(points, at, view, 8 + 16 * one);
    if (found >= 0) bands[found] = one < sizes[0] ? 1 : 2;
  }
  return { bands, strong: sizes[0], related: sizes[1], ids };
}

function numberOf(points, at, view, offset) {
  let [low, high] = [0, points.count - 1];
  while (low <= high) {
    const middle = (low + high) >> 1;
    const order = compare(at, 16 * middle, view, offset);
    if (!order) return middle;
    if (order < 0) low = middle + 1;
    else high = middle - 1;
  }
  return -1;
}

function compare(one, at, other, offset) {
  for (let word = 0; word < 16; word += 4) {
    const apart = one.getUint32(at + word) - other.getUint32(offset + word);
    if (apart) return apart;
  }
  return 0;
}

// A spatial grid of the points, so that lookups check few of them.
export class Grid {
  constructor({ count, x, y }) {
    this.x = x;
    this.y = y;
    this.side = Math.max(8, Math.min(256, Math.ceil(Math.sqrt(count / 4))));
    const cells = new Uint32Array(count);
    this.starts = new Uint32Array(this.side * this.side + 1);
    for (let one = 0; one < count; one += 1) {
      cells[one] = this.cell(y[one]) * this.side + this.cell(x[one]);
      this.starts[cells[one] + 1] += 1;
    }
    for (let cell = 0; cell < this.side * this.side; cell += 1) this.starts[cell + 1] += this.starts[cell];
    const next = this.starts.slice();
    this.order = new Uint32Array(count);
    for (let one = 0; one < count; one += 1) {
      this.order[next[cells[one]]] = one;
      next[cells[one]] += 1;
    }
  }

  cell(coordinate) {
    return Math.max(0, Math.min(this.side - 1, Math.floor(((coordinate + 1) / 2) * this.side)));
  }

  // Calls `action` with the number of each point in a rectangle.
  within(west, south, east, north, action) {
    for (let row = this.cell(south); row <= this.cell(north); row += 1) {
      const last = this.starts[row * this.side + this.cell(east) + 1];
      for (let place = this.starts[row * this.side + this.cell(west)]; place < last; place += 1) {
        const one = this.order[place];
        if (this.x[one] < west || this.x[one] > east || this.y[one] < south || this.y[one] > north) continue;
        action(one);
      }
    }
  }

  // The nearest point within `reach`; -1 for none.
  nearest(x, y, reach) {
    let [best, far] = [-1, reach * reach];
    this.within(x - reach, y - reach, x + reach, y + reach, (one) => {
      const apart = (this.x[one] - x) ** 2 + (this.y[one] - y) ** 2;
      if (apart <= far) [best, far] = [one, apart];
    });
    return best;
  }

  // The nearest point at any distance.
  anyNearest(x, y) {
    for (let reach = 0.02; reach < 8; reach *= 2) {
      const found = this.nearest(x, y, reach);
      if (found >= 0) return found;
    }
    return -1;
  }

  // All points inside a polygon of [x, y].
  inside(polygon) {
    const [xs, ys] = [polygon.map(([x]) => x), polygon.map(([, y]) => y)];
    const found = [];
    this.within(Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys), (one) => {
      if (isInside(this.x[one], this.y[one], polygon)) found.push(one);
    });
    return found;
  }
}

function isInside(x, y, polygon) {
  let inside = false;
  for (let one = 0, other = polygon.length - 1; one < polygon.length; other = one, one += 1) {
    const [x1, y1] = polygon[one];
    const [x2, y2] = polygon[other];
    if (y1 > y !== y2 > y && x < ((x2 - x1) * (y - y1)) / (y2 - y1) + x1) inside = !inside;
  }
  return inside;
}
