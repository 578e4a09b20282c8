// Infinite scrolling: reports a failed next page, and retries it.

import { Failed, whyFailed } from "./request_errors.js";
import { linkOf, loadMore, tiles } from "./tiles.js";

const failed = new Failed();
const told = [];

const isMore = ({ target }) => target?.id === "more";
const place = () => document.querySelector("#more .more-failed");

// Calls `action` with the reason when more results could not be loaded, and with "" when they are requested again.
export function onMoreFailed(action) {
  told.push(action);
}

function tell(reason) {
  if (place()) {
    place().querySelector(".problem").textContent = reason;
    place().hidden = !reason;
  }
  for (const action of told) action(reason);
}

document.addEventListener("htmx:beforeRequest", ({ detail }) => {
  if (!isMore(detail)) return;
  failed.forget();
  tell("");
});
document.addEventListener("htmx:beforeSwap", ({ detail }) => {
  // An empty response, with its status 204 too, is nobody's page of results.
  if (!isMore(detail) || detail.isError || detail.serverResponse.includes('id="more"')) return;
  detail.shouldSwap = false;
  detail.isError = true;
});
document.addEventListener("htmx:afterOnLoad", ({ detail }) => {
  if (isMore(detail) && detail.successful) failed.succeeded();
});
// The "show more" button is replaced; focus moves to the first result that it loaded.
let last = null;
document.addEventListener("htmx:beforeSwap", ({ detail }) => {
  if (isMore(detail)) last = detail.requestConfig.elt.matches("[data-unfolds]") ? tiles().at(-1) : null;
});
document.addEventListener("htmx:afterSwap", ({ detail }) => {
  if (!isMore(detail) || !last) return;
  const all = tiles();
  const first = all[all.indexOf(last) + 1];
  last = null;
  if (first && document.activeElement === document.body) linkOf(first).focus({ preventScroll: true });
});
for (const name of ["htmx:responseError", "htmx:sendError", "htmx:timeout"]) {
  document.addEventListener(name, (event) => {
    if (!isMore(event.detail)) return;
    failed.keep(event.detail.xhr, loadMore);
    tell(whyFailed(event));
  });
}
document.addEventListener("click", (event) => {
  if (!event.target.closest("[data-action=more-again]")) return;
  // The button is removed, and would lose the focus.
  linkOf(tiles().at(-1)).focus({ preventScroll: true });
  failed.forget();
  loadMore();
});
// It is a new search now, or the same one repeated.
document.addEventListener("htmx:afterSwap", ({ detail }) => {
  if (detail.target?.id === "found") failed.succeeded();
});
