// Opens a result in the light-box, in place of its page. What that takes is fetched when somebody is about to need it.

import { idInAddress, pushToAddress, replaceInAddress } from "./shown_large.js";

const dialog = document.getElementById("lightbox");
const FROM = "article.tile .tile-link";

let coming = null;

function fetched() {
  coming ??= Promise.all([import("./lightbox_stage.js"), ...dialog.dataset.styles.split(" ").map(styled)]).then(
    ([stage]) => stage,
  );
  return coming;
}

// A style sheet that can't be had is told in the console, and the picture is seen all the same.
function styled(href) {
  const link = Object.assign(document.createElement("link"), { rel: "stylesheet", href });
  return new Promise((done) => {
    for (const name of ["load", "error"]) link.addEventListener(name, done, { once: true });
    document.head.append(link);
  });
}

async function open(link) {
  // Of two clicks while what it takes is fetched, one is to be gone back from.
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
  // With ctrl, shift or the middle button the link leads where links lead.
  if (!link || event.defaultPrevented || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  open(link);
});

const isNear = ({ target }) => target instanceof Element && target.closest(FROM);
for (const name of ["pointerover", "focusin"]) {
  document.addEventListener(name, (event) => isNear(event) && fetched().catch(() => (coming = null)));
}

// The address says what is shown large, when the page comes and when its history is walked through.
async function look() {
  if (coming || idInAddress()) (await fetched()).showWhatAddressSays();
}
window.addEventListener("popstate", look);
look();
