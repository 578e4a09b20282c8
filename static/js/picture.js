// Search by a picture that is chosen, dropped or pasted: it is put into the form, and the form is sent.

import { onFiles } from "./drop.js";

const form = document.getElementById("by-picture");
const input = form.querySelector("input[type=file]");
const waiting = document.getElementById("waiting");

function send() {
  if (!input.files.length) return;
  waiting.textContent = waiting.dataset.text;
  form.closest("details").open = false;
  form.submit();
}

input.addEventListener("change", send);

onFiles(([file]) => {
  const carrier = new DataTransfer();
  carrier.items.add(file);
  input.files = carrier.files;
  send();
});

// The browser may bring this page back as it was left.
window.addEventListener("pageshow", () => {
  waiting.textContent = "";
  form.reset();
});
