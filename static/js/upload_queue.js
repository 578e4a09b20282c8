// Uploads cards, a few at a time; can be paused and resumed.

import { headingOf } from "./request_errors.js";
import { words } from "./upload_card.js";

// Milliseconds without progress, and for the server to answer, before an upload counts as failed.
const STALLED = 60_000;
const UNANSWERED = 150_000;
// One uploads while the server processes the one before.
const AT_ONCE = 2;
// Statuses after which others would fail too: no response, rate limit, unavailable.
const HALTING = [0, 429, 503];
const LONGEST_WAIT = 60;
const MOST_BY_ITSELF = 5;

export class Queue {
  #requests = new Map();
  #batch = new Set();
  #isStopped = true;
  #isAnswered = false;
  #timer = 0;
  #isPausedByHand = false;
  #byItself = 0;

  // `dataOf(card)` is sent to `address`; `changed` is called whenever the display must be updated.
  constructor({ address, dataOf, changed }) {
    Object.assign(this, { address, dataOf, changed });
    window.addEventListener("online", () => this.#goOn());
  }

  get isSending() {
    return this.#requests.size > 0;
  }

  // Cards of the batch that can still be sent.
  get left() {
    return [...this.#batch].filter(({ state }) => state === "waiting" || state === "failed");
  }

  get batch() {
    return [...this.#batch];
  }

  // Whether it has stopped with some left, by itself or by the user.
  isPaused = false;

  start(cards) {
    if (!this.isSending && !this.isPaused) this.#batch = new Set();
    for (const card of cards) {
      this.#batch.add(card);
      if (card.state === "failed") card.end("waiting");
    }
    this.#byItself = 0;
    this.#begin();
  }

  // Cards added while others upload join the batch.
  join(card) {
    if (!this.isSending) return;
    this.#batch.add(card);
    this.#next();
  }

  forget(card) {
    this.#batch.delete(card);
    if (!this.left.length) this.isPaused = false;
  }

  pause() {
    this.#isPausedByHand = true;
    this.#stop();
    // Complete uploads are still processed.
    for (const request of this.#requests.values()) if (!request.isSent) request.abort();
    this.changed();
  }

  #begin() {
    this.#forgetTimer();
    this.#isPausedByHand = false;
    this.#isStopped = this.isPaused = this.#isAnswered = false;
    this.#next();
  }

  #stop() {
    this.#forgetTimer();
    this.#isStopped = this.isPaused = true;
  }

  #forgetTimer() {
    clearTimeout(this.#timer);
    this.#timer = 0;
  }

  #goOn() {
    if (this.isPaused && this.#timer) this.#begin();
  }

  #next() {
    while (!this.#isStopped && this.#requests.size < (this.#isAnswered ? AT_ONCE : 1)) {
      const card = [...this.#batch].find(({ state }) => state === "waiting");
      if (!card) break;
      this.#send(card);
    }
    // Paused during the last uploads, it is done once they are.
    if (!this.isSending && !this.batch.some(({ state }) => state === "waiting")) this.isPaused = false;
    this.changed();
  }

  async #send(card) {
    const request = new XMLHttpRequest();
    this.#requests.set(card, request);
    card.begin();
    await exchange(request, this.address, this.dataOf(card), (loaded, total) => {
      card.sent(loaded, total);
      this.changed();
    });
    this.#requests.delete(card);
    if (request.status === 0 && this.#isStopped) card.end("waiting");
    else if (HALTING.includes(request.status)) this.#halt(card, request);
    else this.#show(card, request);
    this.#next();
  }

  #show(card, request) {
    this.#isAnswered = true;
    const problem = problemOf(request, this.address);
    if (problem) card.end("failed", problem);
    else card.answered(request.responseText);
  }

  // The others wait: for the user, the network, or Retry-After.
  #halt(card, request) {
    this.#stop();
    card.end("waiting", problemOf(request, this.address));
    const wait = Number(request.status && request.getResponseHeader("Retry-After"));
    if (this.#isPausedByHand) return;
    if (!request.status) this.#timer = -1;
    if (!(wait > 0 && wait <= LONGEST_WAIT) || this.#byItself >= MOST_BY_ITSELF) return;
    this.#byItself += 1;
    this.#timer = setTimeout(() => this.#begin(), wait * 1000);
  }
}

// Sends and waits for the response, whatever it is.
function exchange(request, address, data, progress) {
  request.open("POST", address);
  request.setRequestHeader("HX-Request", "true");
  let timer = 0;
  const wait = (most) => {
    clearTimeout(timer);
    timer = setTimeout(() => request.abort(), most);
  };
  wait(STALLED);
  request.upload.addEventListener("load", () => {
    request.isSent = true;
    wait(UNANSWERED);
  });
  request.upload.addEventListener("progress", (event) => {
    wait(STALLED);
    if (event.lengthComputable) progress(event.loaded, event.total);
  });
  return new Promise((resolve) => {
    request.addEventListener("loadend", () => {
      clearTimeout(timer);
      resolve();
    });
    request.send(data);
  });
}

// The reason of a failed response, in words; "" for one with an outcome.
function problemOf(request, address) {
  if (request.status === 0) return words.unreachable;
  if (request.status === 503) return words.unavailable;
  const path = (one) => new URL(one, location.href).pathname;
  if (path(request.responseURL) !== path(address)) return words.loggedOut;
  // Our error pages have a heading; proxies' pages have none worth showing.
  const heading = headingOf(request.responseText);
  if (heading) return heading;
  if (/data-outcome|errorlist/.test(request.responseText)) return "";
  return request.status === 413 ? words.tooLargeOnTheWay : words.failed;
}
