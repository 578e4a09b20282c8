// Suggestions while typing: an optional combobox. Ignoring it changes nothing, and without this script the box is a plain
// field.

const box = document.getElementById("words");
const list = document.getElementById("suggestions");
const PAUSE = 120;

let timer = 0;
let asking = new AbortController();
// The cursor position when the shown options were requested: text after it stays.
let cursor = 0;
let active = null;
let choosing = false;

box.setAttribute("role", "combobox");
box.setAttribute("aria-autocomplete", "list");
box.setAttribute("aria-controls", list.id);
box.setAttribute("aria-haspopup", "listbox");
close();

box.addEventListener("input", () => {
  clearTimeout(timer);
  asking.abort();
  if (choosing) return;
  activate(null);
  const typed = box.value.slice(0, box.selectionStart);
  if (typed.trim()) timer = setTimeout(ask, PAUSE, typed);
  else close();
});
box.addEventListener("blur", close);
box.addEventListener("keydown", onKey);
box.form.addEventListener("submit", close);
// Keep the focus in the box.
list.addEventListener("mousedown", (event) => event.preventDefault());
list.addEventListener("click", ({ target }) => choose(target.closest("[role=option]")));
window.addEventListener("pagehide", close);
window.addEventListener("popstate", close);

async function ask(typed) {
  asking = new AbortController();
  try {
    const address = `${list.dataset.address}?${new URLSearchParams({ q: typed })}`;
    const answer = await fetch(address, { signal: asking.signal });
    show(answer.ok ? await answer.text() : "", typed);
  } catch {
    // Outdated, or failed: the search reports failures itself.
  }
}

function show(html, typed) {
  if (document.activeElement !== box || typed !== box.value.slice(0, box.selectionStart)) return;
  const answer = new DOMParser().parseFromString(html, "text/html");
  // Only options: a captive portal also answers.
  list.replaceChildren(...answer.querySelectorAll("li[role=option]"));
  cursor = typed.length;
  active = null;
  setOpen(list.children.length > 0);
}

function close() {
  clearTimeout(timer);
  asking.abort();
  activate(null);
  setOpen(false);
}

function setOpen(isOpen) {
  list.hidden = !isOpen;
  box.setAttribute("aria-expanded", String(isOpen));
}

function activate(option) {
  active?.setAttribute("aria-selected", "false");
  active = option;
  active?.setAttribute("aria-selected", "true");
  if (active) box.setAttribute("aria-activedescendant", active.id);
  else box.removeAttribute("aria-activedescendant");
}

function onKey(event) {
  if (list.hidden || event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
  const options = [...list.children];
  if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    event.preventDefault();
    // The box itself comes before the first and after the last option.
    const step = event.key === "ArrowDown" ? 1 : -1;
    const places = options.length + 1;
    const place = options.indexOf(active) + 1;
    activate(options[((place + step + places) % places) - 1] ?? null);
  } else if (event.key === "Enter" && active) {
    event.preventDefault();
    choose(active);
  } else if (event.key === "Escape") {
    // A second Escape leaves the box.
    event.preventDefault();
    event.stopPropagation();
    close();
  } else if (["ArrowLeft", "ArrowRight", "Home", "End"].includes(event.key)) {
    close();
  }
}

function choose(option) {
  if (!option) return;
  const text = `${option.dataset.text} `;
  box.value = text + box.value.slice(cursor).trimStart();
  box.setSelectionRange(text.length, text.length);
  close();
  // The results update as if it had been typed.
  choosing = true;
  box.dispatchEvent(new Event("input", { bubbles: true }));
  choosing = false;
}
