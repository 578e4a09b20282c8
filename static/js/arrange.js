// The order of an album: Alt with an arrow moves the picture that has the focus, at once and without loading the page.
// Without this script the buttons above do it.

const form = document.getElementById("arrange");
const list = form.querySelector(".arrange");
const first = Number(list.getAttribute("start"));
const STEPS = { ArrowLeft: "earlier", ArrowUp: "earlier", ArrowRight: "later", ArrowDown: "later" };

// One after the other: each is a step from where the one before has led.
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
