// A horizontal swipe on an element.

const FAR_ENOUGH = 48;

// Calls `step` with 1 or -1 for a swipe that is long enough; meanwhile --drag on the element is its distance. Inactive
// while `isTheirs()`, as when a zoomed picture is panned.
export function onSwipe(element, step, isTheirs = () => false) {
  let start = null;

  const stop = () => {
    start = null;
    element.style.removeProperty("--drag");
  };

  element.addEventListener("pointerdown", (event) => {
    if (event.pointerType === "mouse" || event.target.closest("button, a, .region-overlay")) return;
    // A second finger zooms.
    stop();
    if (event.isPrimary && !isTheirs()) start = event.clientX;
  });
  element.addEventListener("pointermove", (event) => {
    if (start !== null) element.style.setProperty("--drag", `${event.clientX - start}px`);
  });
  element.addEventListener("pointercancel", stop);
  element.addEventListener("pointerup", (event) => {
    if (start === null) return;
    const drawn = event.clientX - start;
    stop();
    if (Math.abs(drawn) >= FAR_ENOUGH) step(drawn < 0 ? 1 : -1);
  });
}
