// The address says which result is shown large: the browser's back button closes it, and a reloaded page shows it again.

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

// Go back to where it was opened from.
export function leaveAddress() {
  if (!idInAddress()) return;
  if (history.state?.isShownLarge) history.back();
  else clearAddress();
}

// For what can't be shown: the entry of the history stays, and says nothing of it any more.
export function clearAddress() {
  if (!idInAddress()) return;
  history.replaceState({ ...history.state, isShownLarge: false }, "", location.pathname + location.search);
}
