// A chosen picture: its thumbnail, its own details, and its outcome.

const template = document.getElementById("card");
export const words = template.dataset;

// Bytes that contain the metadata of nearly all files, and the size up to which a file is sent whole.
const BEGINNING = 256 * 1024;
const WHOLE = 2_000_000;
const PREVIEW = 120;
const OFFERED = ["title", "description", "own_tags"];

// Previews are made one at a time, for visible cards: fifty decoded photos would not fit into a phone's memory.
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
  // "waiting", "sending", "failed" (can be sent again unchanged), "done", "unfit" (is never sent).
  state = "waiting";
  // The server's outcome: "added", "known" or "refused"; and the image's id.
  outcome = "";
  image = "";
  // Bytes that are sent.
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
    // Not every browser can show every accepted format.
    const small = await createImageBitmap(this.file, options);
    const canvas = Object.assign(document.createElement("canvas"), { width: small.width, height: small.height });
    canvas.getContext("2d").drawImage(small, 0, 0);
    small.close();
    this.#one(".card-preview").replaceChildren(canvas);
  }

  // Folded, a card shows its title, and whether it has other details.
  describe() {
    const own = [...this.fields.querySelectorAll("input, textarea")].filter(({ value }) => value.trim());
    const title = this.fields.querySelector("[name=title]").value.trim();
    this.#one(".card-name").textContent = title || this.file.name;
    const about = [`${megabytes(this.file.size)} MB`, ...(own.length ? [words.own] : [])];
    this.#one(".card-about").textContent = about.join(" · ");
  }

  // Fills empty fields with captions in the file, which the user may edit or clear.
  async offer(address, token) {
    if (this.state !== "waiting") return;
    const data = new FormData();
    data.append("csrfmiddlewaretoken", token);
    data.append("picture", this.file.size > WHOLE ? this.file.slice(0, BEGINNING) : this.file, "picture");
    const answer = await fetch(address, { method: "POST", body: data, signal: AbortSignal.timeout(60_000) });
    if (!answer.ok || !answer.headers.get("Content-Type")?.startsWith("application/json")) return;
    const said = await answer.json();
    // It may have been sent or removed meanwhile.
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

  // The card's details, with the common ones as defaults.
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
    // Uploaded; the time that the server needs for it is unknown.
    if (loaded === total) this.bar.removeAttribute("value");
  }

  // To be sent again: at once on request, or after an edit.
  end(state, problem = "") {
    this.state = state;
    this.loaded = 0;
    this.bar.hidden = true;
    this.remove.hidden = false;
    this.fields.inert = false;
    this.element.classList.toggle("card-failed", Boolean(problem));
    this.tell(problem);
  }

  // Shows the server's response, an HTML fragment. Without an outcome the details are invalid: the user can fix and resend
  // them.
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

  // No more edits.
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
  // Rounded up, else a file slightly over the limit would be shown with just the limit.
  return words.tooLarge.replace("{found}", megabytes(file.size));
}
