// Makes a card for each chosen picture, uploads them, and shows progress and outcomes.

import { onGiven } from "./drop_and_paste.js";
import { picturesIn, picturesOf } from "./dropped_folders.js";
import { fileOf } from "./dropped_content.js";
import { Card, megabytes, words } from "./upload_card.js";
import { Queue } from "./upload_queue.js";

// Maximum of pictures in one form that adds to an album.
const MOST_AT_ONCE = 500;

const form = document.getElementById("upload");
const input = form.querySelector("input[name=pictures]");
const folder = document.getElementById("folder");
const list = document.getElementById("cards");
const forAll = form.querySelector(".upload-all");
const told = document.getElementById("told");
const bar = document.getElementById("sending");
const whole = document.getElementById("progress-bar");
const progress = document.getElementById("progress");
const pause = document.getElementById("pause");
const send = bar.querySelector("[type=submit]:not([form])");
const seen = document.getElementById("seen");
const ways = bar.querySelectorAll("[form=seen]");

const cards = new Set();
const names = new Set();
const inAlbum = new Set();
let reading = Promise.resolve();

const queue = new Queue({
  address: form.action,
  dataOf: (card) => card.data(new FormData(form)),
  changed: show,
});

input.required = false;
input.addEventListener("change", () => {
  add([...input.files]);
  input.value = "";
});
folder.addEventListener("change", () => {
  add(picturesOf(folder.files, input.accept), words.folder);
  folder.value = "";
});
onGiven(async ({ files, folders, addresses, words: written }) => {
  if (written) return;
  const within = (await Promise.all(folders.map((one) => picturesIn(one, input.accept)))).flat();
  const all = [...files, ...within];
  if (!all.length) all.push(...addresses.map(fileOf).filter(Boolean));
  add(all, folders.length ? words.folder : addresses.length ? words.addressOnly : "");
});
form.addEventListener("submit", (event) => {
  event.preventDefault();
  const left = [...cards].filter(({ state }) => state === "waiting" || state === "failed");
  if (left.length) queue.start(left);
});
pause.addEventListener("click", () => queue.pause());
form.elements.album?.addEventListener("change", ({ target }) => {
  form.elements.album_title.required = target.value === "new";
});

function add(files, otherwise = "") {
  told.textContent = files.length ? "" : otherwise;
  // On a phone the pictures come first.
  if (!cards.size && matchMedia("(max-width: 40rem)").matches) forAll.open = false;
  for (const file of files) addCard(file);
  show();
}

function addCard(file) {
  const name = [file.webkitRelativePath || file.name, file.size, file.lastModified].join("/");
  if (names.has(name)) return;
  names.add(name);
  const card = new Card(file);
  cards.add(card);
  list.append(card.element);
  card.remove.addEventListener("click", () => removeCard(card, name));
  if (card.state !== "waiting") return;
  queue.join(card);
  // One after the other: the server reads each picture meanwhile.
  const token = form.elements.csrfmiddlewaretoken.value;
  reading = reading.then(() => card.offer(form.dataset.read, token)).catch(() => {});
}

function removeCard(card, name) {
  const next = card.element.nextElementSibling ?? card.element.previousElementSibling;
  cards.delete(card);
  names.delete(name);
  queue.forget(card);
  if (!queue.isSending && !queue.isPaused) putIntoAlbum();
  card.element.remove();
  (next?.querySelector(".card-remove") ?? input).focus();
  show();
}

// --- The bar's texts ---

let wasSending = false;

function show() {
  const { isSending, isPaused } = queue;
  showButtons(isSending, isPaused);
  if (queue.batch.length) progress.textContent = howFar(isPaused);
  else progress.textContent = chosen();
  whole.hidden = !isSending && !isPaused;
  const sizes = queue.batch.reduce((sum, { file }) => sum + file.size, 0);
  whole.value = sizes ? queue.batch.reduce((sum, card) => sum + (isOver(card) ? card.file.size : card.loaded), 0) / sizes : 0;
  if (wasSending !== isSending) toggleGuard(isSending);
  wasSending = isSending;
}

const isOver = ({ state }) => state === "done" || state === "failed";

function showButtons(isSending, isPaused) {
  const waiting = [...cards].filter(({ state }) => state === "waiting").length;
  const failed = [...cards].filter(({ state }) => state === "failed").length;
  send.hidden = isSending || !(waiting + failed);
  // Common details apply to pictures not sent yet; uploaded ones are tagged together afterwards.
  forAll.inert = cards.size > 0 && !isSending && !(waiting + failed) && addedImages().length > 0;
  pause.hidden = !isSending || !waiting;
  if (isPaused && waiting) send.textContent = words.goOn;
  else if (!waiting) send.textContent = words.again.replace("{count}", failed);
  else send.textContent = waiting === 1 ? words.addOne : words.add.replace("{count}", waiting + failed);
  const images = addedImages();
  for (const one of ways) one.hidden = isSending || !images.length;
  bar.querySelector("[data-slot=see]").textContent =
    images.length === 1 ? words.seeOne : words.see.replace("{count}", images.length);
  seen.elements.ids.value = images.join(" ");
}

const addedImages = () => [...cards].filter(({ outcome }) => outcome === "added").map(({ image }) => image).filter(Boolean);

function chosen() {
  const fit = [...cards].filter(({ state }) => state !== "unfit");
  const size = fit.reduce((sum, { file }) => sum + file.size, 0);
  return fit.length ? words.chosen.replace("{count}", fit.length).replace("{size}", megabytes(size)) : "";
}

function howFar(isPaused) {
  const { batch } = queue;
  const text = (isPaused ? words.paused : words.progress)
    .replace("{done}", batch.filter(isOver).length)
    .replace("{all}", batch.length);
  const known = batch.filter(({ outcome }) => outcome === "known").length;
  const failed = batch.filter(({ state, outcome }) => state === "failed" || outcome === "refused").length;
  const more = [known && words.here.replace("{count}", known), failed && words.notAdded.replace("{count}", failed)];
  return [text, ...more.filter(Boolean)].join(" · ");
}

function toggleGuard(isSending) {
  if (isSending) return window.addEventListener("beforeunload", stay);
  window.removeEventListener("beforeunload", stay);
  return putIntoAlbum();
}

function stay(event) {
  event.preventDefault();
}

// --- The album, after uploading ---

async function putIntoAlbum() {
  const album = form.elements.album;
  const ids = [...cards].map(({ image }) => image).filter((image) => image && !inAlbum.has(image));
  if (!album?.value || !ids.length || (queue.isPaused && queue.left.length)) return;
  for (let start = 0; start < ids.length; start += MOST_AT_ONCE) {
    const some = ids.slice(start, start + MOST_AT_ONCE);
    const answer = await change(some);
    told.textContent = answer?.done ?? answer?.problem ?? words.failed;
    if (!answer?.done) return;
    for (const one of some) inAlbum.add(one);
    choose(answer.album);
  }
}

function change(ids) {
  const data = new FormData();
  for (const name of ["csrfmiddlewaretoken", "album", "album_title"]) data.append(name, form.elements[name].value);
  data.append("do", "album");
  for (const one of ids) data.append("id", one);
  const headers = { Accept: "application/json" };
  return fetch(form.dataset.change, { method: "POST", body: data, headers })
    .then((answer) => answer.json())
    .catch(() => null);
}

// A new album is created once: later pictures are added to it.
function choose(made) {
  if (!made || form.elements.album.value !== "new") return;
  const option = Object.assign(document.createElement("option"), { value: made.album, textContent: made.title });
  form.elements.album.append(option);
  form.elements.album.value = made.album;
}
