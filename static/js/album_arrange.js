// Rearranging an album: Alt+arrow moves the focused picture at once, without reloading the page. Without this script the
// buttons above do it.

const form = document.getElementById("arrange");
const list = form.querySelector(".arrange");
const first = Number(list.getAttribute("start"));
const STEPS = { ArrowLeft: "earlier", ArrowUp: "earlier", ArrowRight: "later", ArrowDown: "later" };

// One after the other: each move starts from the result of the one before.
let sent = Promise.resolve();

list.addEventListener("keydown", (event) => {
  const step = event.altKey && STEPS[event.key];
  const item = step && event.target.closest("li");
  if (!item) return;
  event.preventDefault();
  const other = step === "earlier" ? item.previousElementSibling : item.nextElementSibling;
  if (!other) return;
  if (step === "earlier") other.before(item);
  else other.after(item);
  event.target.focus();
  number();
  const body = new FormData();
  body.set("csrfmiddlewaretoken", form.elements.csrfmiddlewaretoken.value);
  body.set("id", event.target.value);
  body.set("to", step);
  sent = sent.then(() => fetch(location.href, { method: "POST", body, redirect: "manual" })).catch(() => location.reload());
});

function number() {
  for (const [place, item] of [...list.children].entries()) {
    item.querySelector(".arrange-number").textContent = first + place;
  }
}
