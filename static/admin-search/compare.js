// Judging without reloading the page, and by keys. Without this, each button submits the form.

const form = document.querySelector(".sides");
const failed = document.querySelector(".failed");

for (const hint of document.querySelectorAll(".with-script")) hint.hidden = false;

form?.addEventListener("submit", (event) => {
  const button = event.submitter;
  if (button?.name !== "judge") return;
  event.preventDefault();
  judge(button);
});

async function judge(button) {
  const body = new FormData(form);
  body.set("judge", button.value);
  try {
    const answer = await fetch(form.action, { method: "POST", body, headers: { Accept: "application/json" } });
    if (!answer.ok) throw new Error(answer.statusText);
    show(button.closest("[data-image]").dataset.image, (await answer.json()).grade);
    failed.hidden = true;
  } catch {
    failed.hidden = false;
  }
}

// A picture may be in both lists.
function show(image, grade) {
  for (const button of document.querySelectorAll(`[data-image="${image}"] [name="judge"]`)) {
    const isPressed = button.dataset.grade === String(grade);
    button.setAttribute("aria-pressed", String(isPressed));
    button.value = `${image}:${button.dataset.grade}${isPressed ? ":withdraw" : ""}`;
  }
}

const STEPS = { ArrowRight: 1, ArrowLeft: -1 };

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select")) return;
  const all = [...document.querySelectorAll(".found-picture")];
  const here = all.indexOf(event.target.closest(".found-picture"));
  if (event.key in STEPS) {
    const next = all[here + STEPS[event.key]];
    next?.querySelector(".found-link").focus();
    if (next) event.preventDefault();
  } else if (here >= 0 && "012".includes(event.key)) {
    all[here].querySelector(`[name="judge"][data-grade="${event.key}"]`)?.click();
  }
});
