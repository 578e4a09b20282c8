// A slider says what it stands at while it is moved; the results follow when it is let go.

document.addEventListener("input", ({ target }) => {
  if (!target.matches(".chip input[type=range]")) return;
  const step = document.querySelector(`#weights option[value="${target.value}"]`);
  target.setAttribute("aria-valuetext", step.label);
  target.parentElement.querySelector("output").value = step.label;
});
