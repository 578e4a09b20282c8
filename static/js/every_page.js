// On every page: "/" focuses the search box, and menus close.

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") closeMenus(null);
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest("input, textarea, select, [contenteditable]")) return;
  const box = document.getElementById("words");
  if (!box) return;
  event.preventDefault();
  box.focus();
  box.select();
});

document.addEventListener("click", (event) => closeMenus(event.target));

function closeMenus(clicked) {
  for (const menu of document.querySelectorAll("details[data-closes][open]")) {
    if (menu.contains(clicked)) continue;
    const hadFocus = menu.contains(document.activeElement);
    menu.open = false;
    if (hadFocus && clicked === null) menu.querySelector("summary").focus();
  }
}

// Presigned URLs expire, and a page that stays open outlives them: the site serves thumbnails too. Errors of images don't
// bubble, and some occur before this script runs.
document.addEventListener("error", ({ target }) => fetchFromSite(target), true);
for (const picture of document.images) {
  if (picture.complete && picture.currentSrc && !picture.naturalWidth) fetchFromSite(picture);
}

function fetchFromSite(picture) {
  const link = picture.matches?.(".tile img") && picture.closest(".tile-link");
  if (!link) return;
  const ours = new URL("400.webp", link.href).href;
  if (picture.src === ours) return;
  picture.removeAttribute("srcset");
  picture.src = ours;
}

// Registers the service worker, for the offline page and the share target. Its URL is beside the manifest's; the
// language is that of its offline page.

const manifest = document.querySelector("link[rel=manifest]");

function register() {
  const address = new URL("service-worker.js", manifest.href);
  address.searchParams.set("language", document.documentElement.lang);
  // Everything else works without it.
  navigator.serviceWorker.register(address).catch(() => {});
}

if (manifest && "serviceWorker" in navigator) {
  if (document.readyState === "complete") register();
  else window.addEventListener("load", register);
}
