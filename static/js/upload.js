// Gives each chosen picture a card with its own words, sends the cards one by one, and shows what became of each.

import { onGiven } from "./drop.js";
import { headingOf } from "./failing.js";
import { fileOf } from "./given.js";

// How long nothing may be sent, and how long the server may look at a picture, before it counts as gone; in ms.
const STALLED = 60_000;
const UNANSWERED = 150_000;

const form = document.getElementById("upload");
const input = form.querySelector("input[type=file]");
const list = document.getElementById("cards");
const template = document.getElementById("card");
const progress = document.getElementById("progress");
const words = template.dataset;
const sending = form.querySelector("[data-with-cards]");
const button = sending.querySelector("button");

// Bytes in which nearly all files have what is written in them, and up to which a file is read whole.
const BEGINNING = 256 * 1024;
const WHOLE = 2_000_000;
const offered = ["title", "description", "own_tags"];
let reading = Promise.resolve();

// Cards that wait to be sent, in the order of the page, with their files.
const waiting = new Map();
const allSeen = new Set();

input.required = false;
showSending();

input.addEventListener("change", () => {
  [...input.files].forEach(addCard);
  input.value = "";
});
onGiven(async ({ files, folders, addresses, words: written }) => {
  if (written) return;
  const within = (await Promise.all(folders.map(filesIn))).flat();
  const all = [...files, ...within];
  if (!all.length) all.push(...addresses.map(fileOf).filter(Boolean));
  all.forEach(addCard);
  progress.textContent = all.length ? "" : folders.length ? words.folder : addresses.length ? words.addressOnly : "";
});
form.addEventListener("submit", (event) => {
  event.preventDefault();
  sendAll();
});

function addCard(file) {
  const name = [file.name, file.size, file.lastModified].join("/");
  if (allSeen.has(name)) return;
  allSeen.add(name);
  const card = template.content.firstElementChild.cloneNode(true);
  card.querySelector(".card-name").textContent = file.name;
  preview(card, file);
  list.append(card);
  const problem = problemBeforeSending(file);
  if (problem) {
    card.querySelector(".card-fields").remove();
    card.classList.add("card-refused");
    tell(card, problem);
  } else {
    waiting.set(card, file);
    // One after the other: the server looks at pictures meanwhile.
    reading = reading.then(() => offer(card, file)).catch(() => {});
  }
  card.querySelector(".card-remove").addEventListener("click", () => {
    waiting.delete(card);
    allSeen.delete(name);
    URL.revokeObjectURL(card.querySelector("img")?.src);
    const next = card.nextElementSibling ?? card.previousElementSibling;
    card.remove();
    (next?.querySelector(".card-remove") ?? input).focus();
    showSending();
  });
  showSending();
}

// Fills what is empty with what is written in the file. It is the person's to change, or to empty.
async function offer(card, file) {
  if (!waiting.has(card) || card.querySelector(".card-fields").hidden) return;
  const data = new FormData();
  data.append("csrfmiddlewaretoken", form.elements.csrfmiddlewaretoken.value);
  data.append("picture", file.size > WHOLE ? file.slice(0, BEGINNING) : file, "picture");
  const signal = AbortSignal.timeout(STALLED);
  const answer = await fetch(form.dataset.read, { method: "POST", body: data, signal });
  if (!answer.ok || !answer.headers.get("Content-Type")?.startsWith("application/json")) return;
  const said = await answer.json();
  const fields = card.querySelector(".card-fields");
  // It may have been sent, or taken away, by now.
  if (!waiting.has(card) || fields.hidden) return;
  const filled = offered
    .map((name) => [fields.querySelector(`[name=${name}]`), said[name === "own_tags" ? "tags" : name]])
    .filter(([field, text]) => text && !field.value && field !== document.activeElement);
  if (!filled.length) return;
  for (const [field, text] of filled) field.value = text;
  const note = fields.querySelector(".card-read");
  const label = ([field]) => field.labels[0].firstChild.textContent.trim();
  note.querySelector(".card-filled").textContent = filled.map(label).join(", ");
  note.hidden = false;
  note.querySelector(".card-empty").addEventListener("click", () => {
    for (const [field, text] of filled) if (field.value === text) field.value = "";
    note.hidden = true;
    filled[0][0].focus();
  });
}

// The pictures of a folder and those in it; what else lies there was not meant. A folder tells of 100 at a time.
async function filesIn(folder) {
  const reader = folder.createReader();
  const found = [];
  for (;;) {
    const entries = await new Promise((resolve) => reader.readEntries(resolve, () => resolve([])));
    if (!entries.length) return found;
    for (const entry of entries.filter(({ name }) => !name.startsWith("."))) {
      if (entry.isDirectory) found.push(...(await filesIn(entry)));
      else found.push(...(await fileIn(entry)));
    }
  }
}

async function fileIn(entry) {
  const file = await new Promise((resolve) => entry.file(resolve, () => resolve(null)));
  const accepted = input.accept.split(",");
  const isPicture = file && (accepted.includes(file.type) || accepted.some((end) => file.name.toLowerCase().endsWith(end)));
  return isPicture ? [file] : [];
}

function problemBeforeSending(file) {
  if (!file.size) return words.empty;
  const limit = Number(words.limit);
  if (file.size <= limit * 1e6) return "";
  // Rounded up, or a file a little over the limit would be said to have just the limit.
  const found = (Math.ceil(file.size / 1e5) / 10).toLocaleString(document.documentElement.lang);
  return words.tooLarge.replace("{found}", found);
}

function preview(card, file) {
  const picture = card.querySelector("img");
  // Not every browser can show every format that is accepted.
  picture.addEventListener("error", () => picture.remove());
  picture.src = URL.createObjectURL(file);
}

function showSending() {
  sending.hidden = !waiting.size;
}

function tell(card, problem) {
  const place = card.querySelector(".card-outcome");
  place.replaceChildren();
  if (!problem) return;
  const line = document.createElement("p");
  line.className = "card-problem";
  line.textContent = problem;
  place.append(line);
}

async function sendAll() {
  button.disabled = true;
  window.addEventListener("beforeunload", stay);
  const cards = [...waiting.keys()];
  let done = 0;
  for (const card of cards) tell(card, "");
  for (const card of cards) {
    showProgress(done, cards.length);
    // Where the server can't be reached, or says so, the others would fail alike: they wait for the button.
    if (waiting.has(card) && [0, 503].includes(await send(card, waiting.get(card)))) break;
    done += 1;
  }
  showProgress(done, cards.length);
  window.removeEventListener("beforeunload", stay);
  button.disabled = false;
  showSending();
}

function stay(event) {
  event.preventDefault();
}

function showProgress(done, all) {
  progress.textContent = words.progress.replace("{done}", done).replace("{all}", all);
}

// Resolves to the status of the answer, 0 where there was none.
function send(card, file) {
  const bar = card.querySelector("progress");
  const fields = card.querySelector(".card-fields");
  const remove = card.querySelector(".card-remove");
  const data = new FormData();
  data.append("csrfmiddlewaretoken", form.elements.csrfmiddlewaretoken.value);
  const own = fields.querySelector("[name=own_tags]").value;
  data.append("tags", [form.elements.tags.value, own].filter((tags) => tags.trim()).join(", "));
  for (const field of fields.querySelectorAll("input:not([name=own_tags]), textarea")) data.append(field.name, field.value);
  data.append("pictures", file);

  const request = new XMLHttpRequest();
  request.open("POST", form.action);
  request.setRequestHeader("HX-Request", "true");
  let timer = 0;
  const wait = (most) => {
    clearTimeout(timer);
    timer = setTimeout(() => request.abort(), most);
  };
  wait(STALLED);
  request.upload.addEventListener("load", () => wait(UNANSWERED));
  request.upload.addEventListener("progress", (event) => {
    wait(STALLED);
    if (!event.lengthComputable) return;
    bar.value = event.loaded / event.total;
    // Sent; now the server looks at it, and how long that takes can't be told.
    if (event.loaded === event.total) bar.removeAttribute("value");
  });
  bar.value = 0;
  bar.hidden = false;
  fields.hidden = remove.hidden = true;
  tell(card, "");
  return new Promise((resolve) => {
    request.addEventListener("loadend", () => {
      clearTimeout(timer);
      bar.hidden = true;
      fields.hidden = remove.hidden = false;
      showOutcome(card, request);
      resolve(request.status);
    });
    request.send(data);
  });
}

function showOutcome(card, request) {
  const place = card.querySelector(".card-outcome");
  if (request.status === 0) return tell(card, words.unreachable);
  if (request.status === 503) return tell(card, words.unavailable);
  if (new URL(request.responseURL).pathname !== new URL(form.action).pathname) return tell(card, words.loggedOut);
  // One of our pages about what went wrong has a heading, and those of proxies have none that people can read.
  const heading = headingOf(request.responseText);
  if (heading || !/data-outcome|errorlist/.test(request.responseText)) {
    return tell(card, heading || (request.status === 413 ? words.tooLargeOnTheWay : words.failed));
  }
  place.innerHTML = request.responseText;
  const outcome = place.querySelector("[data-outcome]");
  // Without an outcome the words of the card are wrong: they can be mended, and sent again.
  if (!outcome) return undefined;
  waiting.delete(card);
  card.querySelector(".card-fields").remove();
  card.querySelector(".card-remove").remove();
  card.classList.toggle("card-refused", outcome.dataset.outcome === "refused");
  return undefined;
}
