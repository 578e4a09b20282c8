// Gives each chosen picture a card with its own words, sends the cards one by one, and shows what became of each.

import { onFiles } from "./drop.js";

const form = document.getElementById("upload");
const input = form.querySelector("input[type=file]");
const list = document.getElementById("cards");
const template = document.getElementById("card");
const progress = document.getElementById("progress");
const words = template.dataset;
const sending = form.querySelector("[data-with-cards]");
const button = sending.querySelector("button");

// Cards that wait to be sent, in the order of the page, with their files.
const waiting = new Map();
const allSeen = new Set();

input.required = false;
showSending();

input.addEventListener("change", () => {
  [...input.files].forEach(addCard);
  input.value = "";
});
onFiles((files) => files.forEach(addCard));
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
  for (const card of cards) {
    showProgress(done, cards.length);
    if (waiting.has(card)) await send(card, waiting.get(card));
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

function send(card, file) {
  const bar = card.querySelector("progress");
  const fields = card.querySelector(".card-fields");
  const remove = card.querySelector(".card-remove");
  const data = new FormData();
  data.append("csrfmiddlewaretoken", form.elements.csrfmiddlewaretoken.value);
  data.append("tags", form.elements.tags.value);
  for (const field of fields.querySelectorAll("input, textarea")) data.append(field.name, field.value);
  data.append("pictures", file);

  const request = new XMLHttpRequest();
  request.open("POST", form.action);
  request.setRequestHeader("HX-Request", "true");
  request.upload.addEventListener("progress", (event) => {
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
      bar.hidden = true;
      fields.hidden = remove.hidden = false;
      showOutcome(card, request);
      resolve();
    });
    request.send(data);
  });
}

function showOutcome(card, request) {
  const place = card.querySelector(".card-outcome");
  if (request.status === 503) return tell(card, words.unavailable);
  if (![200, 400, 413].includes(request.status)) return tell(card, words.failed);
  if (new URL(request.responseURL).pathname !== new URL(form.action).pathname) return tell(card, words.loggedOut);
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
