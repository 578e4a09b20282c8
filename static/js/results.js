// What a person does with results by hand: selecting them, seeing them large, walking through them with keys.

import "./more.js";
import "./select.js";
import "./lightbox.js";
import "./keys.js";
import "./copies.js";
import "./details.js";
