// The results follow what is asked: after a pause in typing, and at once for what is chosen or clicked.
// Without this script the form is sent by its button, and the links lead to pages.

import { Failed, whyFailed } from "./failing.js";
import { keep, moveTo, onReturn } from "./returning.js";
import { idInAddress } from "./shown_large.js";

const PAUSE = 350;
// A syllable of Korean or Japanese that is still being put together may yet become another; but the last one stays
// so until the next key, and must be searched too.
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
// Whether this entry of the history was made by typing, so that typing on replaces it.
let typed = false;

// Without what is empty, and in one order: the fields of the filters come when they are looked at.
function question(typedWords) {
  const fields = [...new FormData(form)].filter(([name, value]) => value && name !== "q");
  fields.push(["q", typedWords.trim().replace(/\s+/g, " ")]);
  return new URLSearchParams(fields.sort(([a, x], [b, y]) => (a + x < b + y ? -1 : 1))).toString();
}

function ask({ typing }) {
  clearTimeout(timer);
  // Choosing or sending ends what was typed: what comes next is another search, to which one can go back.
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
// Whoever comes back to the box, from a result say, types another search.
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
// Fields of the form stand all over the page. A first day after the last one is told at its field, and not asked.
document.addEventListener("change", ({ target }) => {
  if (target.form === form && target !== words && target.reportValidity()) ask({ typing: false });
});

const main = document.getElementById("main");

const isSearch = ({ target }) => target?.id === "found";
const isTyping = ({ requestConfig }) => Boolean(requestConfig?.triggeringEvent?.detail?.typing);

// In development django-htmx would put the answer to a wrong request in place of the whole page.
main.addEventListener("htmx:beforeOnLoad", (event) => event.stopPropagation());

// A form sends its empty fields too; the server needs none of them. Filters that are open come with their numbers.
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

// What was asked when it failed, asked once more.
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
    // Not ours: a network that asks to log in, say.
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

// The rest of the weaker matches is there: the address says so, and the next question asks for it too. Where the light-box
// has asked for it, the address stays that of the entry of the history to which closing it leads.
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

// What was open stays open, and what was focused in it focused.
function unfold() {
  for (const id of unfolded) document.getElementById(id)?.setAttribute("open", "");
  if (filtersTop) document.getElementById("filters-panel")?.scrollTo({ top: filtersTop, behavior: "instant" });
  if (document.activeElement === document.body) document.getElementById(focused)?.focus({ preventScroll: true });
}

function announce(news) {
  announcements.textContent = news.trim().replace(/\s+/g, " ");
}

// A link that was replaced has lost the focus, and a search that it began is read from its top.
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

// Other forms and links of the page lead back to the search that is shown.
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
