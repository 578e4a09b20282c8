// The list of pictures: titles and tags are edited in their cells, each saved at once; long searches are posted.

const LONGEST = 1200;
const form = document.getElementById("changelist-form");
const search = document.getElementById("changelist-search");
const words = document.querySelector(".list-tools").dataset;

for (const cell of form?.querySelectorAll("[data-field]") ?? []) offer(cell);

// A URL can't hold thousands of ids: such a search is posted like a pasted list.
search?.addEventListener("submit", (event) => {
  const text = search.elements.q.value;
  if (text.length <= LONGEST) return;
  event.preventDefault();
  const sent = document.createElement("form");
  Object.assign(sent, { method: "post", action: words.paste, hidden: true });
  const fields = { pasted: text, csrfmiddlewaretoken: form.elements.csrfmiddlewaretoken.value };
  for (const [name, value] of Object.entries(fields)) {
    sent.append(Object.assign(document.createElement("input"), { type: "hidden", name, value }));
  }
  document.body.append(sent);
  sent.submit();
});

function offer(cell) {
  const button = document.createElement("button");
  Object.assign(button, { type: "button", className: "edit-in-place", title: cell.dataset.label });
  button.setAttribute("aria-label", cell.dataset.label);
  button.textContent = "✎";
  button.addEventListener("click", () => edit(cell));
  hostOf(cell).append(button);
}

// A title is within a link, which can contain neither a button nor an input.
function hostOf(cell) {
  return cell.closest("td, th");
}

function edit(cell) {
  const present = hostOf(cell).querySelector("input.in-place");
  if (present) return present.focus();
  const field = document.createElement("input");
  Object.assign(field, { type: "text", className: "in-place", dir: "auto", value: cell.dataset.value });
  field.setAttribute("aria-label", cell.dataset.label);
  if (cell.dataset.field === "title") field.maxLength = 300;
  hostOf(cell).classList.add("is-edited");
  hostOf(cell).append(field);
  field.focus();
  field.select();
  let leaving = null;
  field.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    if (event.key === "Escape") {
      event.preventDefault();
      leaving = "cancel";
      close(cell);
      hostOf(cell).querySelector(".edit-in-place").focus();
    } else if (event.key === "Enter") {
      // Not the surrounding form, whose button runs an action.
      event.preventDefault();
      leaving = "save";
      save(cell, field, () => follow(cell));
    } else if (event.key === "Tab" && !event.shiftKey) {
      const next = besides(cell);
      if (!next) return;
      event.preventDefault();
      leaving = "save";
      save(cell, field, () => edit(next));
    }
  });
  field.addEventListener("blur", () => {
    if (!leaving) save(cell, field);
  });
  field.addEventListener("focus", () => {
    leaving = null;
  });
  return undefined;
}

const cellsOf = (name) => [...form.querySelectorAll(`[data-field="${name}"]`)];

// Down the column, as in a spreadsheet; after the last row to this cell's button.
function follow(cell) {
  const column = cellsOf(cell.dataset.field);
  const next = column[column.indexOf(cell) + 1];
  if (next) edit(next);
  else hostOf(cell).querySelector(".edit-in-place").focus();
}

function besides(cell) {
  const all = [...form.querySelectorAll("[data-field]")];
  return all[all.indexOf(cell) + 1];
}

async function save(cell, field, then = () => {}) {
  const { value } = field;
  if (value.trim() === cell.dataset.value) {
    close(cell);
    return then();
  }
  const body = new FormData();
  body.set("field", cell.dataset.field);
  body.set("value", value);
  body.set("shown", cell.dataset.value);
  body.set("csrfmiddlewaretoken", form.elements.csrfmiddlewaretoken.value);
  hostOf(cell).classList.add("is-saving");
  const answer = await fetch(cell.dataset.url, { method: "POST", body }).catch(() => null);
  const told = await answer?.json().catch(() => null);
  hostOf(cell).classList.remove("is-saving");
  if (answer?.ok && told) {
    cell.dataset.value = told.value;
    show(cell, told.value);
    close(cell);
    return then();
  }
  // The input stays; saved again, it replaces the concurrent change shown in the message.
  if (told?.value !== undefined) cell.dataset.value = told.value;
  tell(cell, told?.problem ?? words.notSaved);
  field.focus();
  return undefined;
}

function show(cell, value) {
  if (cell.dataset.field === "title") {
    cell.querySelector("bdi").textContent = value || cell.dataset.untitled;
    return;
  }
  const slot = cell.querySelector("[data-slot]");
  const tags = value ? value.split(", ") : [];
  slot.replaceChildren(
    ...tags.flatMap((tag) => {
      const link = document.createElement("a");
      Object.assign(link, { className: "tag", dir: "auto", href: `?${new URLSearchParams({ tag })}`, textContent: tag });
      return [link, " "];
    }),
  );
}

function tell(cell, problem) {
  let told = hostOf(cell).querySelector(".in-place-problem");
  if (!told) {
    told = Object.assign(document.createElement("p"), { className: "in-place-problem errornote" });
    told.setAttribute("role", "alert");
    hostOf(cell).append(told);
  }
  told.textContent = problem;
}

function close(cell) {
  hostOf(cell).classList.remove("is-edited");
  hostOf(cell).querySelector("input.in-place")?.remove();
  hostOf(cell).querySelector(".in-place-problem")?.remove();
}
