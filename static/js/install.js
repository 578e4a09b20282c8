// Has the browser keep the page for when there is no connection, and take pictures that are shared with the app. The
// address of the worker lies beside the manifest's; the language is that of the page it shows.

const manifest = document.querySelector("link[rel=manifest]");

function register() {
  const address = new URL("service-worker.js", manifest.href);
  address.searchParams.set("language", document.documentElement.lang);
  // Without it everything else works.
  navigator.serviceWorker.register(address).catch(() => {});
}

if (manifest && "serviceWorker" in navigator) {
  if (document.readyState === "complete") register();
  else window.addEventListener("load", register);
}
