// Recent searches in this browser's storage, newest first, as query strings.

// Several sites may share a host, each below its own path.
const SITE = new URL(document.querySelector(".brand")?.href ?? "/", location.href).pathname;
const NAME = SITE === "/" ? "recent-searches" : `recent-searches ${SITE}`;
const KEPT = 12;
const LONGEST = 4000;
const ASKED = ["q", "picture", "like", "not", "unlike"];

// The words and pictures of a URL, without filters, order and page; "" for none.
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
    // Storage is blocked, or its contents are invalid: nothing is remembered.
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
    // Storage is full or blocked: the page works without.
  }
}
