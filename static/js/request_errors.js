// Why a request failed, in words, and when to retry it.

const MOST_BY_ITSELF = 5;
const LONGEST_WAIT = 60;
// Sent too slowly, or too often.
const PASSING = [408, 429];

// Returns the reason of an htmx error event.
export function whyFailed({ type, detail }) {
  const words = document.getElementById("failure").dataset;
  if (type === "htmx:timeout") return words.slow;
  if (!detail.xhr?.status) return words.unreachable;
  const told = headingOf(detail.xhr.responseText);
  if (told) return told;
  // A response without an error that isn't ours comes from a captive portal.
  return detail.xhr.status < 400 ? words.unreachable : words.wrong.replace("{status}", detail.xhr.status);
}

// The heading of one of our error pages; proxies' pages have none worth showing.
export function headingOf(html) {
  const page = new DOMParser().parseFromString(html ?? "", "text/html");
  return page.querySelector("main h1")?.textContent.trim().replace(/\s+/g, " ");
}

// Keeps a failed action and retries it: on request, after Retry-After, and when the network or the user is back.
export class Failed {
  #act = null;
  #timer = 0;
  #byItself = 0;

  constructor() {
    window.addEventListener("online", () => this.again());
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState === "visible") this.again();
    });
  }

  keep(xhr, act) {
    this.forget();
    // Other client errors would fail again.
    if (xhr?.status >= 400 && xhr.status < 500 && !PASSING.includes(xhr.status)) return;
    this.#act = act;
    const wait = Number([429, 503].includes(xhr?.status) && xhr.getResponseHeader("Retry-After"));
    if (!(wait > 0 && wait <= LONGEST_WAIT) || this.#byItself >= MOST_BY_ITSELF) return;
    this.#byItself += 1;
    this.#timer = setTimeout(() => this.again(), wait * 1000);
  }

  again() {
    const act = this.#act;
    this.forget();
    act?.();
  }

  forget() {
    clearTimeout(this.#timer);
    this.#act = null;
  }

  succeeded() {
    this.forget();
    this.#byItself = 0;
  }
}
