// The searches that this browser remembers, newest first: what was asked, as it stands in an address.

// Two sites may stand on one host, each below a path of its own.
const SITE = new URL(document.querySelector(".brand")?.href ?? "/", location.href).pathname;
const NAME = SITE === "/" ? "recent-searches" : `recent-searches ${SITE}`;
const KEPT = 12;
const LONGEST = 4000;
const ASKED = ["q", "picture", "like", "not", "unlike"];

// What an address asks for, without filters, order and page; "" where there is no word and no picture.
export function askedIn(address) {
  const params = new URLSearchParams(address);
  const asked = ASKED.flatMap((name) => params.getAll(name).map((value) => [name, value.trim()]));
  const parts = asked.filter(([, value]) => value);
  return parts.some(([name]) => ["q", "picture", "like"].includes(name)) ? new URLSearchParams(parts).toString() : "";
}

export function recentSearches() {
  try {
    const kept = JSON.parse(localStorage.getItem(NAME));
    return Array.isArray(kept) ? [...new Set(kept.filter(isSearch))].slice(0, KEPT) : [];
  } catch {
    // Not allowed, or not what was written: then nothing is remembered.
    return [];
  }
}

export function rememberSearch(asked) {
  if (asked && asked.length <= LONGEST) write([asked, ...recentSearches().filter((other) => other !== asked)]);
}

export function forgetSearch(asked) {
  write(recentSearches().filter((other) => other !== asked));
}

export function forgetAll() {
  write([]);
}

function isSearch(kept) {
  return typeof kept === "string" && kept !== "" && askedIn(kept) === kept;
}

function write(searches) {
  try {
    localStorage.setItem(NAME, JSON.stringify(searches.slice(0, KEPT)));
  } catch {
    // Full, or not allowed: the page works without.
  }
}
