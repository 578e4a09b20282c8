// Live results: after a pause in typing, and at once for clicks and choices. Without this script the form has a
// button, and the links lead to pages.

import { Failed, whyFailed } from "./request_errors.js";
import { keep, moveTo, onReturn } from "./back_restoration.js";
import { idInAddress } from "./lightbox_address.js";

const PAUSE = 350;
// A Korean or Japanese syllable being composed may still change; but the last one stays composing until the next key,
// and must be searched too.
const PAUSE_WITHIN_SYLLABLE = 900;

const form = document.getElementById("by-words");
const words = document.getElementById("words");
const failure = document.getElementById("failure");
const askAgain = document.getElementById("ask-again");
const failed = new Failed();
const announcements = document.getElementById("announcements");

let asked = question(words.value);
let askedWords = words.value;
let timer = 0;
// Whether this history entry was made by typing, so that further typing replaces it.
let typed = false;

// Without empty fields, in a fixed order: the filters' fields are loaded only when opened.
function question(typedWords) {
  const fields = [...new FormData(form)].filter(([name, value]) => value && name !== "q");
  fields.push(["q", typedWords.trim().replace(/\s+/g, " ")]);
  return new URLSearchParams(fields.sort(([a, x], [b, y]) => (a + x < b + y ? -1 : 1))).toString();
}

function ask({ typing }) {
  clearTimeout(timer);
  // Choosing or submitting ends the typing: the next change is a new search with its own history entry.
  if (!typing) typed = false;
  if (question(words.value) === asked) return;
  asked = question(words.value);
  askedWords = words.value;
  htmx.trigger(form, "ask", { typing });
}

words.addEventListener("input", (event) => {
  clearTimeout(timer);
  failed.forget();
  timer = setTimeout(ask, event.isComposing ? PAUSE_WITHIN_SYLLABLE : PAUSE, { typing: true });
});
// After leaving the box, as for a result, typing starts a new search.
words.addEventListener("focus", () => {
  typed = false;
});
words.addEventListener("compositionend", () => {
  clearTimeout(timer);
  timer = setTimeout(ask, PAUSE, { typing: true });
});
form.addEventListener("submit", (event) => {
  event.preventDefault();
  ask({ typing: false });
});
// Fields of the form are all over the page. An invalid range of days is reported at its field, and not searched.
document.addEventListener("change", ({ target }) => {
  if (target.form === form && target !== words && target.reportValidity()) ask({ typing: false });
});

const main = document.getElementById("main");

const isSearch = ({ target }) => target?.id === "found";
const isTyping = ({ requestConfig }) => Boolean(requestConfig?.triggeringEvent?.detail?.typing);

// With DEBUG on, django-htmx would replace the whole page by an error response.
main.addEventListener("htmx:beforeOnLoad", (event) => event.stopPropagation());

// Drops the form's empty fields. Open filters are requested with their counts.
main.addEventListener("htmx:configRequest", ({ detail }) => {
  if (isSearch(detail) && document.querySelector("#filters[open]")) detail.formData.set("filters", "open");
  if (detail.elt !== form) return;
  for (const name of new Set(detail.formData.keys())) {
    const values = detail.formData.getAll(name).filter((value) => value !== "");
    detail.formData.delete(name);
    for (const value of values) detail.formData.append(name, value);
  }
});

main.addEventListener("htmx:beforeRequest", ({ detail }) => {
  if (!isSearch(detail)) return;
  clearTimeout(timer);
  failed.forget();
  tellFailure("");
  document.getElementById("found").setAttribute("aria-busy", "true");
});

// Retries the failed search.
let again = () => {};
let unfolded = [];
let focused = "";
let filtersTop = 0;

main.addEventListener("htmx:beforeSwap", ({ detail }) => {
  if (!isSearch(detail)) return;
  unfolded = [...document.querySelectorAll("#found details[id][open]")].map((details) => details.id);
  focused = document.activeElement.id;
  filtersTop = document.getElementById("filters-panel")?.scrollTop ?? 0;
  if ([400, 404].includes(detail.xhr.status) && detail.serverResponse.includes('id="found"')) {
    detail.shouldSwap = true;
    detail.isError = false;
  } else if (detail.shouldSwap && !detail.serverResponse.includes('id="found"')) {
    // Not ours: a captive portal, for example.
    detail.shouldSwap = false;
    detail.isError = true;
  }
  if (detail.shouldSwap) keep();
});

main.addEventListener("htmx:afterOnLoad", ({ detail }) => {
  if (detail.target?.id === "more") arriveMore(detail);
  if (!isSearch(detail) || !detail.successful) return;
  const found = document.getElementById("found");
  unfold();
  const typing = isTyping(detail);
  if (detail.elt !== form) {
    askedWords = words.value = found.dataset.words;
    takeFocus();
  }
  failed.succeeded();
  asked = question(askedWords);
  const address = detail.pathInfo.finalRequestPath.replace(/[?&]filters=open/, "");
  arrive(found.dataset.address || address, typing && typed);
  typed = typing;
  announce(document.getElementById("found-title").textContent);
});

for (const name of ["htmx:responseError", "htmx:sendError", "htmx:timeout"]) {
  main.addEventListener(name, (event) => {
    const { elt, xhr } = event.detail;
    if (!isSearch(event.detail)) return;
    asked = null;
    document.getElementById("found").removeAttribute("aria-busy");
    tellFailure(whyFailed(event));
    again = () => (elt === form ? ask({ typing: false }) : elt.click());
    failed.keep(xhr, again);
  });
}

askAgain.addEventListener("click", () => {
  words.focus();
  again();
});

function tellFailure(reason) {
  failure.textContent = reason;
  askAgain.hidden = !reason;
}

// Weaker matches are unfolded: the URL says so, and the next search unfolds them too. If the lightbox requested them, the
// URL stays that of the history entry to which closing it leads.
function arriveMore({ requestConfig, successful }) {
  announce(document.getElementById("more").dataset.announce);
  const address = requestConfig.elt.dataset?.unfolds;
  if (!address || !successful || idInAddress()) return;
  const field = document.getElementById("min");
  if (field) field.value = "any";
  asked = question(askedWords);
  document.getElementById("found").dataset.address = address;
  moveTo(address, { replaces: true });
  noteAddress(address);
}

// Reopens what was open, and restores the focus in it.
function unfold() {
  for (const id of unfolded) document.getElementById(id)?.setAttribute("open", "");
  if (filtersTop) document.getElementById("filters-panel")?.scrollTo({ top: filtersTop, behavior: "instant" });
  if (document.activeElement === document.body) document.getElementById(focused)?.focus({ preventScroll: true });
}

function announce(news) {
  announcements.textContent = news.trim().replace(/\s+/g, " ");
}

// A replaced link has lost the focus, and the search that it began is read from its top.
function takeFocus() {
  if (document.activeElement !== document.body) return;
  const title = document.getElementById("found-title");
  title.tabIndex = -1;
  title.focus({ preventScroll: true });
  if (main.getBoundingClientRect().top < 0) main.scrollIntoView();
}

function arrive(address, replaces) {
  moveTo(address, { replaces });
  noteAddress(address);
}

// Forms and links that lead back get the URL of the current search.
function noteAddress(address) {
  for (const field of document.querySelectorAll(".languages [name=next]")) field.value = address;
  for (const link of document.querySelectorAll(".site-nav a[href*='next=']")) {
    const url = new URL(link.href);
    url.searchParams.set("next", address);
    link.href = url;
  }
}

onReturn(() => {
  clearTimeout(timer);
  htmx.trigger(form, "htmx:abort");
  words.value = askedWords = document.getElementById("found").dataset.words;
  asked = question(askedWords);
  typed = false;
  failed.forget();
  tellFailure("");
  noteAddress(location.pathname + location.search);
});
