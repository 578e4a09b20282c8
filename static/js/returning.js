// What "back" returns to: the results as they were left, at the same place, with those that scrolling has added.
//
// Most browsers keep the whole page. Where they don't, and between searches within one page, what was shown is kept
// here, for this tab alone and for a few entries of its history.

const ENTRIES = 8;
const INDEX = "results";

let key = history.state?.results ?? newKey();
let shown = here();
let returned = () => {};

function here() {
  return location.pathname + location.search;
}

function newKey() {
  return `results:${crypto.getRandomValues(new Uint32Array(2)).join("-")}`;
}

function stored(name) {
  try {
    return JSON.parse(sessionStorage.getItem(name));
  } catch {
    return null;
  }
}

function store(entry) {
  const keys = (stored(INDEX) ?? []).filter((other) => other !== key);
  while (keys.length >= ENTRIES) sessionStorage.removeItem(keys.shift());
  for (;;) {
    try {
      sessionStorage.setItem(key, JSON.stringify(entry));
      sessionStorage.setItem(INDEX, JSON.stringify([...keys, key]));
      return;
    } catch {
      // Full, or not allowed: what is oldest goes first, and without any room only the browser's own memory is left.
      if (!keys.length) return;
      sessionStorage.removeItem(keys.shift());
    }
  }
}

/** Remember what is shown now, for this entry of the history. */
export function keep() {
  const parts = [...document.querySelectorAll("[data-part]")].map((part) => [part.id, part.outerHTML]);
  store({
    address: shown,
    title: document.title,
    parts,
    top: window.scrollY,
    image: document.activeElement?.closest("[data-image]")?.dataset.image,
  });
}

/** Another search is shown: a new entry of the history, or the same one with another address. */
export function moveTo(address, { replaces }) {
  if (replaces || address === shown) {
    history.replaceState({ ...history.state, results: key }, "", address);
  } else {
    key = newKey();
    history.pushState({ results: key }, "", address);
  }
  shown = address;
}

/** Have `action` called when an earlier search is shown again. */
export function onReturn(action) {
  returned = action;
}

function restore({ parts, title, top, image }) {
  for (const [id, html] of parts) {
    // What was about to be added when the page was left is asked for again.
    const fresh = html.replaceAll(' data-hx-revealed="true"', "").replaceAll('"more-ahead htmx-request"', '"more-ahead"');
    htmx.swap(`#${id}`, fresh, { swapStyle: "outerHTML", swapDelay: 0, settleDelay: 0 });
  }
  document.title = title;
  window.scrollTo({ top, behavior: "instant" });
  if (image) document.querySelector(`[data-image="${image}"] .tile-link`)?.focus({ preventScroll: true });
}

window.addEventListener("pagehide", keep);

window.addEventListener("popstate", ({ state }) => {
  // A place within the page, or a step that another script has made.
  if (here() === shown) return;
  keep();
  key = state?.results ?? newKey();
  const entry = stored(key);
  if (entry?.address !== here()) {
    location.reload();
    return;
  }
  shown = here();
  restore(entry);
  returned();
});

history.scrollRestoration = "manual";
history.replaceState({ ...history.state, results: key }, "");
const { type } = performance.getEntriesByType("navigation")[0];
const left = stored(key);
if (left?.address === shown) {
  if (type === "back_forward") restore(left);
  if (type === "reload") window.scrollTo({ top: left.top, behavior: "instant" });
}
