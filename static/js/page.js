// What every page does with a script: "/" leads to the search box and menus close.

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
