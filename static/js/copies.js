// Copies of a picture that follow on the same page of results stand folded under the first, until they are asked for.

import { linkOf } from "./tiles.js";

document.addEventListener("click", (event) => {
  const button = event.target.closest(".tile-copies");
  if (!button) return;
  const { image } = button.closest("article.tile").dataset;
  const copies = [...document.querySelectorAll(`article.tile[data-copy-of="${image}"]`)];
  for (const copy of copies) copy.classList.remove("tile-copy");
  button.remove();
  if (copies.length) linkOf(copies[0]).focus();
});
