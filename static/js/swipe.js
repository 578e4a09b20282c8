// A finger drawn sideways over an element.

const FAR_ENOUGH = 48;

// Calls `step` with 1 or -1 when it was drawn far enough; meanwhile --drag on the element says how far it is.
export function onSwipe(element, step) {
  let start = null;

  const stop = () => {
    start = null;
    element.style.removeProperty("--drag");
  };

  element.addEventListener("pointerdown", (event) => {
    if (event.pointerType === "mouse" || event.target.closest("button, a, .region-overlay")) return;
    // A second finger zooms.
    start = event.isPrimary ? event.clientX : null;
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
