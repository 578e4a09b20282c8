// Suggestions of a tag, decided one after the other without reloading the page, and by keys.

const form = document.querySelector(".tag-grid");
const waiting = document.querySelector("[data-waiting]");

form?.addEventListener("submit", async (event) => {
  const button = event.submitter;
  if (!button || !/^[0-9a-f-]{36}$/.test(button.value)) return; // more than one: reload the page
  event.preventDefault();
  const tile = button.closest("[data-tile]");
  const body = new FormData(form, button);
  const next = neighbour(tile, 1) ?? neighbour(tile, -1);
  tile.hidden = true;
  next?.querySelector("a").focus();
  const answer = await fetch(form.action, { method: "POST", body, headers: { Accept: "application/json" } }).catch(() => null);
  const told = await answer?.json().catch(() => null);
  if (!answer?.ok) {
    tile.hidden = false;
    tell(told?.told ?? escaped(form.dataset.failed), "error");
    return;
  }
  tile.remove();
  if (waiting) waiting.textContent = told.waiting;
  tell(told.told, "success");
  for (const line of form.querySelectorAll(".tag-line")) if (!line.querySelector("[data-tile]")) line.remove();
  if (told.next) location.assign(told.next);
  else if (!form.querySelector("[data-tile]")) location.reload();
});

const tiles = () => [...form.querySelectorAll("[data-tile]:not([hidden])")];

function neighbour(tile, step) {
  const all = tiles();
  return all[all.indexOf(tile) + step];
}

// Like the admin's own messages: earlier ones are replaced.
function tell(html, level) {
  let list = document.querySelector(".messagelist");
  if (!list) {
    list = Object.assign(document.createElement("ul"), { className: "messagelist" });
    list.setAttribute("role", "status");
    document.getElementById("content").before(list);
  }
  const item = Object.assign(document.createElement("li"), { className: level, innerHTML: html });
  list.replaceChildren(item);
}

function escaped(text) {
  return Object.assign(document.createElement("p"), { textContent: text }).innerHTML;
}

document.addEventListener("keydown", (event) => {
  if (!form || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest("input, textarea, select, dialog")) return;
  const here = document.activeElement.closest("[data-tile]");
  const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns(), ArrowUp: -columns() }[event.key];
  if (step) {
    const all = tiles();
    const place = here ? all.indexOf(here) + step : 0;
    if (all[place]) {
      event.preventDefault();
      all[place].querySelector("a").focus();
    }
    return;
  }
  const verb = { a: "accept", r: "reject", d: "accept" }[event.key.toLowerCase()];
  if (!here || !verb) return;
  event.preventDefault();
  if (event.key === "d") here.querySelector(".down-to").click();
  else if (event.shiftKey) here.closest(".tag-line").querySelector(`.tag-row-buttons [name=${verb}]`).click();
  else here.querySelector(`.tag-buttons [name=${verb}]`).click();
});

function columns() {
  const row = form.querySelector(".tag-row");
  return row ? getComputedStyle(row).gridTemplateColumns.split(" ").length : 1;
}
