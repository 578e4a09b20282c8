// One chosen picture: its thumbnail, what is said of it alone, and what became of it.

const template = document.getElementById("card");
export const words = template.dataset;

// Bytes in which nearly all files have what is written in them, and up to which a file is read whole.
const BEGINNING = 256 * 1024;
const WHOLE = 2_000_000;
const PREVIEW = 120;
const OFFERED = ["title", "description", "own_tags"];

// Pictures are made small one after the other, those that are in sight: fifty photos would not fit the memory of a phone.
let drawing = Promise.resolve();
const inSight = new IntersectionObserver(
  (seen) => {
    for (const { target, isIntersecting } of seen) {
      if (!isIntersecting) continue;
      inSight.unobserve(target);
      drawing = drawing.then(() => target.draw?.()).catch(() => {});
    }
  },
  { rootMargin: "300px" },
);

export const megabytes = (bytes) => (Math.ceil(bytes / 1e5) / 10).toLocaleString(document.documentElement.lang);

export class Card {
  // "waiting", "sending", "failed": it can be sent again as it is; "done"; "unfit": it is not sent at all.
  state = "waiting";
  // What the server has said: "added", "known" or "refused"; and the image's id.
  outcome = "";
  image = "";
  // Bytes of it that are sent.
  loaded = 0;

  constructor(file) {
    this.file = file;
    this.element = template.content.firstElementChild.cloneNode(true);
    this.fold = this.#one(".card-fold");
    this.fields = this.#one(".card-fields");
    this.bar = this.#one("progress");
    this.remove = this.#one(".card-remove");
    this.#one(".card-name").textContent = file.name;
    this.remove.setAttribute("aria-label", `${this.remove.title}: ${file.name}`);
    this.fields.addEventListener("input", () => this.describe());
    this.element.draw = () => this.#draw();
    inSight.observe(this.element);
    this.describe();
    const problem = problemBeforeSending(file);
    if (!problem) return;
    this.state = "unfit";
    this.#close();
    this.element.classList.add("card-refused");
    this.tell(problem);
  }

  #one(selector) {
    return this.element.querySelector(selector);
  }

  async #draw() {
    const options = { resizeHeight: PREVIEW, resizeQuality: "medium" };
    // Not every browser can show every format that is accepted.
    const small = await createImageBitmap(this.file, options);
    const canvas = Object.assign(document.createElement("canvas"), { width: small.width, height: small.height });
    canvas.getContext("2d").drawImage(small, 0, 0);
    small.close();
    this.#one(".card-preview").replaceChildren(canvas);
  }

  // Folded, a card shows its title, and whether there is more that is its own.
  describe() {
    const own = [...this.fields.querySelectorAll("input, textarea")].filter(({ value }) => value.trim());
    const title = this.fields.querySelector("[name=title]").value.trim();
    this.#one(".card-name").textContent = title || this.file.name;
    const about = [`${megabytes(this.file.size)} MB`, ...(own.length ? [words.own] : [])];
    this.#one(".card-about").textContent = about.join(" · ");
  }

  // Fills what is empty with what is written in the file. It is the person's to change, or to empty.
  async offer(address, token) {
    if (this.state !== "waiting") return;
    const data = new FormData();
    data.append("csrfmiddlewaretoken", token);
    data.append("picture", this.file.size > WHOLE ? this.file.slice(0, BEGINNING) : this.file, "picture");
    const answer = await fetch(address, { method: "POST", body: data, signal: AbortSignal.timeout(60_000) });
    if (!answer.ok || !answer.headers.get("Content-Type")?.startsWith("application/json")) return;
    const said = await answer.json();
    // It may have been sent, or taken away, by now.
    if (this.state === "waiting" && this.element.isConnected) this.#fill(said);
  }

  #fill(said) {
    const filled = OFFERED.map((name) => [
      this.fields.querySelector(`[name=${name}]`),
      said[name === "own_tags" ? "tags" : name],
    ]).filter(([field, text]) => text && !field.value && field !== document.activeElement);
    if (!filled.length) return;
    for (const [field, text] of filled) field.value = text;
    const note = this.#one(".card-read");
    const label = ([field]) => field.labels[0].firstChild.textContent.trim();
    note.querySelector(".card-filled").textContent = filled.map(label).join(", ");
    note.hidden = false;
    note.querySelector(".card-empty").addEventListener("click", () => {
      for (const [field, text] of filled) if (field.value === text) field.value = "";
      note.hidden = true;
      filled[0][0].focus();
      this.describe();
    });
    this.describe();
  }

  // What is said of this picture: its own words, and where it has none, those for all.
  data(common) {
    const data = new FormData();
    const own = (name) => this.fields.querySelector(`[name=${name}]`).value.trim();
    const tags = [common.get("tags") ?? "", own("own_tags")].filter((some) => some.trim());
    data.append("csrfmiddlewaretoken", common.get("csrfmiddlewaretoken"));
    data.append("tags", tags.join(", "));
    if (common.has("visibility")) data.append("visibility", common.get("visibility"));
    for (const name of ["title", "description", "source_link"]) data.append(name, own(name));
    for (const name of ["author", "licence"]) data.append(name, own(name) || common.get(name));
    data.append("pictures", this.file);
    return data;
  }

  begin() {
    this.state = "sending";
    this.loaded = 0;
    this.tell("");
    this.fold.open = false;
    this.fields.inert = true;
    this.bar.value = 0;
    this.bar.hidden = false;
    this.remove.hidden = true;
  }

  sent(loaded, total) {
    this.loaded = Math.round((this.file.size * loaded) / total);
    this.bar.value = loaded / total;
    // Sent; now the server looks at it, and how long that takes can't be told.
    if (loaded === total) this.bar.removeAttribute("value");
  }

  // It is to be sent again: at once where that is asked for, or once it was changed.
  end(state, problem = "") {
    this.state = state;
    this.loaded = 0;
    this.bar.hidden = true;
    this.remove.hidden = false;
    this.fields.inert = false;
    this.element.classList.toggle("card-failed", Boolean(problem));
    this.tell(problem);
  }

  // Shows the answer of the server, a part of a page. Without an outcome the words of the card are wrong: they can be
  // changed, and sent again.
  answered(html) {
    this.end("failed");
    const place = this.#one(".card-outcome");
    place.innerHTML = html;
    const told = place.querySelector("[data-outcome]");
    this.element.classList.toggle("card-failed", !told);
    if (!told) {
      this.fold.open = true;
      return;
    }
    this.state = "done";
    this.loaded = this.file.size;
    this.outcome = told.dataset.outcome;
    this.image = told.dataset.image ?? "";
    this.#close();
    this.remove.remove();
    this.element.classList.toggle("card-refused", this.outcome === "refused");
    this.element.classList.toggle("card-done", this.outcome !== "refused");
  }

  // There is nothing to be said of it any more.
  #close() {
    const head = document.createElement("div");
    head.className = "card-head";
    head.append(...this.fold.querySelector("summary").children);
    this.fold.replaceWith(head);
  }

  tell(problem) {
    const place = this.#one(".card-outcome");
    place.replaceChildren();
    if (!problem) return;
    place.append(Object.assign(document.createElement("p"), { className: "card-problem", textContent: problem }));
  }
}

function problemBeforeSending(file) {
  if (!file.size) return words.empty;
  if (file.size <= Number(words.limit) * 1e6) return "";
  // Rounded up, or a file a little over the limit would be said to have just the limit.
  return words.tooLarge.replace("{found}", megabytes(file.size));
}
