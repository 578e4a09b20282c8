// Opens a result in the lightbox instead of its page. Its code is loaded shortly before it is needed.

import { idInAddress, pushToAddress, replaceInAddress } from "./lightbox_address.js";

const dialog = document.getElementById("lightbox");
const FROM = "article.tile .tile-link";

let coming = null;

function fetched() {
  coming ??= Promise.all([import("./lightbox_viewer.js"), ...dialog.dataset.styles.split(" ").map(styled)]).then(
    ([viewer]) => viewer,
  );
  return coming;
}

// Without its style sheet the picture is shown all the same; the browser logs the error.
function styled(href) {
  const link = Object.assign(document.createElement("link"), { rel: "stylesheet", href });
  return new Promise((done) => {
    for (const name of ["load", "error"]) link.addEventListener(name, done, { once: true });
    document.head.append(link);
  });
}

async function open(link) {
  // Of two clicks while the code loads, only one adds a history entry.
  const save = idInAddress() ? replaceInAddress : pushToAddress;
  save(link.closest("article.tile").dataset.image);
  try {
    (await fetched()).showWhatAddressSays();
  } catch {
    coming = null;
    location.assign(link.href);
  }
}

document.addEventListener("click", (event) => {
  const link = event.target.closest(FROM);
  // With ctrl, shift or the middle button the link works as usual.
  if (!link || event.defaultPrevented || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  open(link);
});

const isNear = ({ target }) => target instanceof Element && target.closest(FROM);
for (const name of ["pointerover", "focusin"]) {
  document.addEventListener(name, (event) => isNear(event) && fetched().catch(() => (coming = null)));
}

// Restores the lightbox from the URL, on load and on history navigation.
async function look() {
  if (coming || idInAddress()) (await fetched()).showWhatAddressSays();
}
window.addEventListener("popstate", look);
look();
