// Colours of points: by group, by date taken, or by how well they match a search.

const dark = matchMedia("(prefers-color-scheme: dark)");
// Twelve colours, distinguishable on both backgrounds, also with most colour vision deficiencies; groups next in size
// differ clearly.
const LIGHT = [
  [31, 119, 180], [214, 96, 20], [32, 135, 90], [176, 42, 48], [122, 84, 176], [140, 96, 20],
  [196, 66, 140], [72, 86, 94], [108, 126, 8], [14, 128, 138], [72, 72, 172], [150, 60, 96],
];
const DARK = [
  [112, 182, 240], [250, 164, 96], [104, 214, 160], [246, 122, 122], [190, 160, 250], [226, 190, 110],
  [244, 150, 208], [176, 194, 204], [196, 214, 92], [96, 214, 224], [156, 160, 250], [230, 150, 180],
];
// From oldest to newest.
const AGES = {
  light: [[68, 1, 84], [59, 82, 139], [33, 145, 140], [64, 150, 60], [190, 150, 10]],
  dark: [[120, 110, 220], [90, 150, 230], [60, 190, 180], [140, 210, 100], [250, 225, 90]],
};
const GREY = { light: [150, 160, 156], dark: [96, 106, 102] };

export const onTheme = (action) => dark.addEventListener("change", action);

const theme = () => (dark.matches ? "dark" : "light");
const ALPHA = 225;
const FAINT = 110;

export function groupColour(rank) {
  const palette = dark.matches ? DARK : LIGHT;
  return palette[rank % palette.length];
}

export const ageColour = (share) => {
  const steps = AGES[theme()];
  const place = share * (steps.length - 1);
  const from = Math.min(steps.length - 2, Math.floor(place));
  return steps[from].map((part, one) => Math.round(part + (place - from) * (steps[from + 1][one] - part)));
};

export const bandColour = (band) => (band === 1 ? groupColour(3) : band === 2 ? groupColour(5) : GREY[theme()]);

// Each returns the colours of all points, 4 bytes a point, and the drawing order, most important last.
export function byGroup(points, rankOf) {
  return painted(points, (one, put) => put(groupColour(rankOf.get(points.groups[one]) ?? 0), ALPHA), null);
}

export function byAge(points) {
  const known = points.days.filter(Boolean).sort();
  // By rank, not by date: half of a collection may be from last year, and each part of the scale gets as many.
  const shares = new Map();
  known.forEach((day, place) => {
    if (!shares.has(day)) shares.set(day, known.length > 1 ? place / (known.length - 1) : 1);
  });
  const paint = (one, put) => {
    if (points.days[one]) put(ageColour(shares.get(points.days[one])), ALPHA);
    else put(GREY[theme()], FAINT);
  };
  return { ...painted(points, paint, (one) => Number(points.days[one] > 0)), first: known[0], last: known.at(-1) };
}

export function byBand(points, bands) {
  const paint = (one, put) => put(bandColour(bands[one]), bands[one] ? 255 : FAINT);
  return painted(points, paint, (one) => [0, 2, 1][bands[one]]);
}

function painted(points, paint, weightOf) {
  const rgba = new Uint8Array(4 * points.count);
  const layers = [[], [], []];
  for (let one = 0; one < points.count; one += 1) {
    paint(one, (colour, alpha) => rgba.set([...colour, alpha], 4 * one));
    if (weightOf) layers[weightOf(one)].push(one);
  }
  const order = weightOf ? Uint32Array.from(layers.flat()) : Uint32Array.from({ length: points.count }, (_, one) => one);
  return { rgba, order };
}
