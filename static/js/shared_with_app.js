// Pictures shared with the app: the service worker has stored them on this device. They are shown and put into the
// forms, which upload them.

const place = document.getElementById("shared");
const forms = [...document.querySelectorAll("[data-takes]")];
const name = `${place.dataset.scope}|shared`;

const files = await shared();
if (files.length) {
  document.getElementById("none-shared").hidden = true;
  place.hidden = false;
  place.replaceChildren(...files.slice(0, 12).map(preview));
  forms.forEach(fill);
}

async function shared() {
  if (!("caches" in window) || !(await caches.has(name))) return [];
  const cache = await caches.open(name);
  const answers = await Promise.all((await cache.keys()).map((key) => cache.match(key)));
  return Promise.all(answers.map(asFile));
}

async function asFile(answer) {
  const content = await answer.blob();
  const called = decodeURIComponent(answer.headers.get("X-Name") ?? "");
  return new File([content], called || "picture", { type: answer.headers.get("Content-Type") ?? "" });
}

function preview(file) {
  const item = document.createElement("li");
  const picture = new Image();
  picture.src = URL.createObjectURL(file);
  picture.alt = file.name;
  // Name a format that this browser can't show.
  picture.addEventListener("error", () => item.replaceChildren(file.name));
  item.append(picture);
  return item;
}

function fill(form) {
  const input = form.querySelector("input[type=file]");
  const carrier = new DataTransfer();
  for (const file of input.multiple ? files : files.slice(0, 1)) carrier.items.add(file);
  input.files = carrier.files;
  input.closest(".field").hidden = true;
}
