// Why a request brought nothing, in words, and when to make it again.

const MOST_BY_ITSELF = 5;
const LONGEST_WAIT = 60;

// Says why of an event by which htmx tells that a request failed.
export function whyFailed({ type, detail }) {
  const words = document.getElementById("failure").dataset;
  if (type === "htmx:timeout") return words.slow;
  if (!detail.xhr?.status) return words.unreachable;
  const told = headingOf(detail.xhr.responseText);
  if (told) return told;
  // An answer that is no error and not ours either is that of a network that asks to log in.
  return detail.xhr.status < 400 ? words.unreachable : words.wrong.replace("{status}", detail.xhr.status);
}

// The heading of one of our pages about what went wrong; those of proxies have none that people can read.
export function headingOf(html) {
  const page = new DOMParser().parseFromString(html ?? "", "text/html");
  return page.querySelector("main h1")?.textContent.trim().replace(/\s+/g, " ");
}

// Keeps what failed, to do it again: when somebody asks for it, when the server has said, and when the network or the
// person is back.
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
    // What is wrong with a request is as wrong the next time.
    if (xhr?.status >= 400 && xhr.status < 500) return;
    this.#act = act;
    const wait = Number(xhr?.status === 503 && xhr.getResponseHeader("Retry-After"));
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
