// Restores results on "back": as they were, at the same scroll position, with the pages that scrolling has added.
//
// Most browsers restore whole pages. For the others, and for searches within one page, results are kept here, for this tab
// and a few history entries.

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
      // Storage is full or blocked: drop the oldest; without any room, only the browser's own cache is left.
      if (!keys.length) return;
      sessionStorage.removeItem(keys.shift());
    }
  }
}

/** Save the current results for this history entry. */
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

/** Record another search: a new history entry, or the same one with another URL. */
export function moveTo(address, { replaces }) {
  if (replaces || address === shown) {
    history.replaceState({ ...history.state, results: key }, "", address);
  } else {
    key = newKey();
    history.pushState({ results: key }, "", address);
  }
  shown = address;
}

/** Call `action` when an earlier search is restored. */
export function onReturn(action) {
  returned = action;
}

function restore({ parts, title, top, image }) {
  for (const [id, html] of parts) {
    // Requests in flight when the page was left are repeated.
    const fresh = html.replaceAll(' data-hx-revealed="true"', "").replaceAll('"more-ahead htmx-request"', '"more-ahead"');
    htmx.swap(`#${id}`, fresh, { swapStyle: "outerHTML", swapDelay: 0, settleDelay: 0 });
  }
  document.title = title;
  window.scrollTo({ top, behavior: "instant" });
  if (image) document.querySelector(`[data-image="${image}"] .tile-link`)?.focus({ preventScroll: true });
}

window.addEventListener("pagehide", keep);

window.addEventListener("popstate", ({ state }) => {
  // A fragment, or a step of another script.
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
