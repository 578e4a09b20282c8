// The link of an album: copied by its button, selected when its field gets the focus.

import { copyLink } from "./copy.js";

const link = document.querySelector(".album-link");
link?.querySelector("[data-action=copy-link]").addEventListener("click", (event) => copyLink(event.currentTarget));
link?.querySelector("input[readonly]").addEventListener("focus", (event) => event.currentTarget.select());
