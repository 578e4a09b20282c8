// Search by a picture that is chosen, dropped or pasted, or by a pasted address: it is put into its form, and the form
// is sent together with what is searched already.

import { onFiles } from "./drop.js";

const form = document.getElementById("by-picture");
const input = form.querySelector("input[type=file]");
const byAddress = document.getElementById("by-address");
const forms = [form, byAddress].filter(Boolean);
const waiting = document.getElementById("waiting");

for (const one of forms) {
  one.addEventListener("submit", () => {
    carryQuery(one);
    waiting.textContent = waiting.dataset.text;
    one.closest("details").open = false;
  });
}

// The results may have followed the typing since this page came; then the address tells what is searched. The page
// about a refused picture has the address of its form, which tells nothing.
function carryQuery(sent) {
  if (forms.some((one) => new URL(one.action).pathname === location.pathname)) return;
  const fields = [...new URLSearchParams(location.search)].map(([name, value]) => {
    const field = document.createElement("input");
    return Object.assign(field, { type: "hidden", name, value });
  });
  sent.querySelector("[data-present-query]").replaceChildren(...fields);
}

input.addEventListener("change", () => {
  if (input.files.length) form.requestSubmit();
});

onFiles(([file]) => {
  const carrier = new DataTransfer();
  carrier.items.add(file);
  input.files = carrier.files;
  form.requestSubmit();
});

document.addEventListener("paste", (event) => {
  const text = event.clipboardData?.getData("text/plain").trim() ?? "";
  if (!byAddress || event.defaultPrevented || !/^https?:\/\/\S+$/i.test(text)) return;
  if (event.target.closest?.("input, textarea, [contenteditable]")) return;
  event.preventDefault();
  byAddress.elements.url.value = text;
  byAddress.requestSubmit();
});

// The browser may bring this page back as it was left.
window.addEventListener("pageshow", () => {
  waiting.textContent = "";
  form.reset();
});
