// Curators change pictures where they are shown: the selection, the enlarged or focused picture, or that of the page.
// Hiding or deleting several needs a confirmation; everything can be undone.

import { pressed } from "./shortcut_key.js";
import { idInAddress } from "./lightbox_address.js";
import { tileOf, tiles } from "./tiles.js";

const dialog = document.getElementById("curate");
const told = document.getElementById("curated");
const lightbox = document.getElementById("lightbox");
const bar = document.getElementById("selection");
const slot = (name) => dialog.querySelector(`[data-slot=${name}]`);
const form = slot("form");
const tags = form.elements.tags;
const knownTags = document.getElementById("curate-known-tags");
const NOBODY = "00000000-0000-0000-0000-000000000000";
const KEYS = { t: "tag", a: "album", h: "hide", e: "edit", Delete: "trash" };
const OPPOSITE = { hide: "show", show: "hide", trash: "restore", restore: "trash", album: "unalbum", unalbum: "album" };
const WITH_WORDS = ["tag", "untag", "edit", "visibility", "album"];
const OF_ALBUMS = ["album", "unalbum"];
const may = dialog.dataset.may.split(" ");

// The action in progress, and its pictures.
let verb = "";
let ids = [];
let undoable = null;

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-verb]");
  if (!button || button.closest("form[data-plain]")) return;
  const chosen = idsBeside(button);
  if (!chosen.length) return;
  event.preventDefault();
  if (button.dataset.album && form.elements.album) form.elements.album.value = button.dataset.album;
  begin(button.dataset.verb, chosen);
});

// A new album needs a title, and nothing can be removed from it.
const albums = form.elements.album;
function showAlbum() {
  const isNew = albums.value === "new";
  slot("new-album").hidden = !isNew;
  slot("take-out").disabled = isNew;
}
albums?.addEventListener("change", showAlbum);

document.addEventListener("keydown", (event) => {
  if (dialog.open || document.querySelector("#keys-help[open]")) return;
  const key = KEYS[pressed(event)];
  const chosen = key && may.includes(key) ? pointedAt() : [];
  if (!chosen.length) return;
  event.preventDefault();
  const shows = key === "hide" && chosen.every(isHidden);
  begin(shows ? "show" : key, chosen);
});

function idsBeside(button) {
  if (lightbox?.contains(button)) return [idInAddress()];
  return bar?.contains(button) ? selected() : [];
}

function pointedAt() {
  if (lightbox?.open) return [idInAddress()];
  const chosen = selected();
  if (chosen.length) return chosen;
  const tile = document.activeElement.closest("article.tile");
  return tile ? [tile.dataset.image] : [];
}

function selected() {
  if (!bar || bar.hidden) return [];
  return tiles()
    .filter((tile) => tile.querySelector(".tile-check input")?.checked)
    .map((tile) => tile.dataset.image);
}

const isHidden = (id) => tileOf(id)?.classList.contains("tile-hidden");

function begin(what, chosen) {
  verb = what;
  ids = chosen;
  if (!WITH_WORDS.includes(verb)) return send(bodyOf(OF_ALBUMS.includes(verb) ? new FormData(form) : new FormData()));
  return open();
}

async function open() {
  const album = albums?.value;
  form.reset();
  for (const field of form.querySelectorAll("[name^=shown-]")) field.remove();
  slot("problem").textContent = "";
  slot("question").replaceChildren();
  form.hidden = false;
  const one = ids.length === 1;
  for (const part of form.querySelectorAll("[data-for]")) part.hidden = !part.dataset.for.split(" ").includes(verb);
  slot("many").hidden = one;
  if (verb === "album") {
    // The previous choice, or else the album that was changed last.
    albums.value = album === "new" && albums.options.length > 1 ? albums.options[1].value : album;
    showAlbum();
  }
  const title = one ? dialog.dataset[`${verb}One`] : dialog.dataset[verb];
  slot("title").textContent = title.replace("{count}", ids.length.toLocaleString(document.documentElement.lang));
  if (verb === "edit" && one) await fill(ids[0]);
  dialog.showModal();
  fieldOf(verb).focus();
}

const fieldOf = (what) => ({ edit: form.elements.title, album: albums, visibility: form.elements.visibility })[what] ?? tags;

// For a single picture, its current values are shown and all changes are sent, also emptied fields.
async function fill(id) {
  const answer = await fetch(dialog.dataset.details.replace(NOBODY, id)).catch(() => null);
  const details = answer?.ok ? await answer.json().catch(() => null) : null;
  if (!details) return;
  for (const name of ["title", "description", "author", "licence", "source_link"]) {
    form.elements[name].value = details[name] ?? "";
    form.append(Object.assign(document.createElement("input"), { type: "hidden", name: `shown-${name}`, value: details[name] ?? "" }));
  }
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  if (OF_ALBUMS.includes(verb)) verb = event.submitter?.dataset.does ?? "album";
  const body = bodyOf(new FormData(form));
  if (verb === "edit") body.delete("tags");
  send(body);
});

function bodyOf(body) {
  body.set("csrfmiddlewaretoken", form.elements.csrfmiddlewaretoken.value);
  body.set("do", verb);
  body.set("query", new URLSearchParams(location.search).toString());
  for (const id of ids) body.append("id", id);
  return body;
}

async function send(body) {
  const answer = await ask(dialog.dataset.change, body);
  if (answer.question) return askFirst(answer.question);
  if (!answer.done) return fail(answer.problem ?? dialog.dataset.failed);
  dialog.close();
  if (answer.count) apply(verb, ids);
  if (answer.album) offer(answer.album);
  return tell(answer.done, answer.undo && { revision: answer.undo, verb, ids });
}

// Adds a new album as the first choice.
function offer({ album, title }) {
  if (!albums) return;
  const known = [...albums.options].find((one) => one.value === String(album));
  const option = known ?? Object.assign(document.createElement("option"), { value: String(album), textContent: title, dir: "auto" });
  albums.options[0].after(option);
  albums.value = option.value;
}

async function ask(address, body) {
  const headers = { Accept: "application/json" };
  const answer = await fetch(address, { method: "POST", body, headers }).catch(() => null);
  return (await answer?.json().catch(() => null)) ?? {};
}

function askFirst(html) {
  form.hidden = true;
  slot("question").innerHTML = html;
  if (!dialog.open) dialog.showModal();
  const question = slot("question").querySelector("form");
  const title = question.querySelector("h2");
  title.id = "curate-question-title";
  dialog.setAttribute("aria-labelledby", title.id);
  question.addEventListener("submit", (event) => {
    event.preventDefault();
    send(new FormData(question));
  });
  question.querySelector("[type=submit]").focus();
}

dialog.addEventListener("click", (event) => {
  if (event.target !== dialog && !event.target.closest("[data-action=cancel]")) return;
  event.preventDefault();
  dialog.close();
});
dialog.addEventListener("close", () => {
  dialog.setAttribute("aria-labelledby", "curate-title");
  slot("question").replaceChildren();
});

function fail(problem) {
  if (!dialog.open || form.hidden) {
    dialog.close();
    return tell(problem, null);
  }
  slot("problem").textContent = problem;
  return fieldOf(OF_ALBUMS.includes(verb) ? "album" : verb).focus();
}

// The results stay in place, with their new state.
function apply(what, some) {
  for (const tile of some.map(tileOf).filter(Boolean)) {
    if (what === "hide" || what === "show") mark(tile, "tile-hidden", "is-hidden", dialog.dataset.hidden, what === "hide");
    if (what === "trash" || what === "restore") {
      mark(tile, "tile-trashed", "is-trashed", dialog.dataset.trashed, what === "trash");
    }
  }
  // On an album's page its pictures are those in the album.
  const here = document.querySelector("[data-album-here]")?.dataset.albumHere;
  if (here && form.elements.album?.value === here && OF_ALBUMS.includes(what)) {
    for (const tile of some.map(tileOf).filter(Boolean)) {
      mark(tile, "tile-trashed", "is-trashed", dialog.dataset.takenOut, what === "unalbum");
    }
  }
  if (what === "trash" && lightbox?.open) leaveTrashed();
  document.dispatchEvent(new CustomEvent("curated"));
}

function mark(tile, kind, badge, words, on) {
  tile.classList.toggle(kind, on);
  tile.querySelector(`.${badge}`)?.remove();
  if (!on) return;
  const told = Object.assign(document.createElement("span"), { className: badge, textContent: words });
  tile.querySelector(".tile-facts").prepend(told);
}

// On to the next picture, as after any decision in a series.
function leaveTrashed() {
  const next = lightbox.querySelector("[data-slot=next]");
  if (!next.disabled) next.click();
}

function tell(text, undo) {
  undoable = undo || null;
  told.querySelector("[data-slot=text]").textContent = text;
  told.querySelector("[data-slot=undo]").hidden = !undoable;
  showTold();
}

// Elements outside an open dialog can't be clicked, so the message moves into it. Reopened, it is on top of the stack.
function showTold() {
  if (told.matches(":popover-open")) told.hidePopover();
  (lightbox?.open ? lightbox : document.body).append(told);
  told.showPopover();
}

lightbox?.addEventListener("close", () => {
  if (told.matches(":popover-open")) showTold();
});

told.querySelector("[data-slot=close]").addEventListener("click", () => told.hidePopover());
told.querySelector("[data-slot=undo]").addEventListener("click", async () => {
  if (!undoable) return;
  const { revision, verb: done, ids: some } = undoable;
  const body = new FormData();
  body.set("csrfmiddlewaretoken", form.elements.csrfmiddlewaretoken.value);
  body.set("revision", revision);
  const answer = await ask(dialog.dataset.undo, body);
  if (answer.done && answer.count && OPPOSITE[done]) apply(OPPOSITE[done], some);
  tell(answer.done ?? answer.problem ?? dialog.dataset.failed, null);
});

// Autocompletes the last of the comma-separated tags.
let typed = 0;
tags.addEventListener("input", async () => {
  const [, before, part] = /^(.*,\s*)?([^,]*)$/s.exec(tags.value);
  const now = (typed += 1);
  if (!part.trim()) return knownTags.replaceChildren();
  const asked = new URLSearchParams({ q: `tag:"${part.trim().replace(/["“”„«»]/g, "")}` });
  const answer = await fetch(`${dialog.dataset.suggest}?${asked}`).catch(() => null);
  if (!answer?.ok || now !== typed) return undefined;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const labels = [...page.querySelectorAll(".suggestion-label")].map((one) => one.textContent);
  return knownTags.replaceChildren(
    ...labels.map((label) => Object.assign(document.createElement("option"), { value: (before ?? "") + label })),
  );
});
