// Search by a chosen, dropped or pasted picture, or by its URL: it is put into its form, which is submitted together with
// the current search. Words that are dropped or pasted go into the search box.

import { onGiven } from "./drop_and_paste.js";
import { fileOf, partOf } from "./dropped_content.js";

const form = document.getElementById("by-picture");
const input = form.querySelector("input[type=file]");
const byAddress = document.getElementById("by-address");
const box = document.getElementById("words");
const forms = [form, byAddress].filter(Boolean);
const waiting = document.getElementById("waiting");
const failure = document.getElementById("failure");

let looking = waiting.dataset.text;

for (const one of forms) {
  one.addEventListener("submit", () => {
    carryQuery(one);
    say("");
    waiting.textContent = looking;
    one.closest("details").open = false;
  });
}

// Live results may have changed the search since the page was loaded; then the URL has it. The page about a rejected
// picture has the URL of its form, which has no search.
function presentQuery() {
  const isAnswer = forms.some((one) => new URL(one.action).pathname === location.pathname);
  return isAnswer ? null : new URLSearchParams(location.search);
}

function carryQuery(sent) {
  const query = presentQuery();
  if (!query) return;
  const fields = [...query].map(([name, value]) => {
    const field = document.createElement("input");
    return Object.assign(field, { type: "hidden", name, value });
  });
  sent.querySelector("[data-present-query]").replaceChildren(...fields);
}

input.addEventListener("change", () => {
  if (input.files.length) form.requestSubmit();
});

onGiven(({ files, folders, addresses, words }) => {
  if (/^https?:\/\/\S+$/i.test(words)) return searchByAddress(words);
  if (words) return searchWords(words);
  const part = addresses.map(partOf).find(Boolean);
  if (part) return searchAlsoBy(part);
  const file = files.find(isPicture) ?? files[0] ?? addresses.map(fileOf).find(Boolean);
  if (file) return searchByFile(file, files.filter(isPicture).length);
  if (folders.length) return say(waiting.dataset.folder);
  const address = addresses.find((one) => /^https?:/i.test(one));
  return address ? searchByAddress(address) : say(waiting.dataset.notHere);
});

const isPicture = ({ type, name }) => type.startsWith("image/") || /\.(heic|heif|avif)$/i.test(name);

function searchByFile(file, among) {
  const carrier = new DataTransfer();
  carrier.items.add(file);
  input.files = carrier.files;
  looking = among > 1 ? waiting.dataset.first.replace("{count}", among) : waiting.dataset.text;
  form.requestSubmit();
}

function searchByAddress(address) {
  const part = partOf(address);
  if (part) return searchAlsoBy(part);
  if (!byAddress) return say(waiting.dataset.noAddress);
  byAddress.elements.url.value = address;
  return byAddress.requestSubmit();
}

// By a picture of this site: one of the collection, or an earlier query picture.
function searchAlsoBy([name, value]) {
  const query = presentQuery() ?? new URLSearchParams();
  for (const place of ["page", "seen", "after"]) query.delete(place);
  query.append(name, value);
  location.assign(`${box.form.action}?${query}`);
}

function searchWords(words) {
  box.value = words.replace(/\s+/g, " ");
  box.focus();
  box.dispatchEvent(new Event("input", { bubbles: true }));
}

function say(problem) {
  failure.textContent = problem;
  document.getElementById("ask-again").hidden = true;
}

// The back/forward cache restores the page as it was.
window.addEventListener("pageshow", () => {
  waiting.textContent = "";
  form.reset();
});
