// The enlarged result is in the URL: the back button closes it, and a reload restores it.

const PREFIX = "#image-";

export function idInAddress() {
  return location.hash.startsWith(PREFIX) ? location.hash.slice(PREFIX.length) : "";
}

export function pushToAddress(id) {
  history.pushState({ ...history.state, isShownLarge: true }, "", PREFIX + id);
}

export function replaceInAddress(id) {
  history.replaceState(history.state, "", PREFIX + id);
}

// Returns to where it was opened.
export function leaveAddress() {
  if (!idInAddress()) return;
  if (history.state?.isShownLarge) history.back();
  else clearAddress();
}

// For an unavailable picture: the history entry stays, without it.
export function clearAddress() {
  if (!idInAddress()) return;
  history.replaceState({ ...history.state, isShownLarge: false }, "", location.pathname + location.search);
}
