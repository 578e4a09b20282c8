// Sends cards, a few at a time; can be paused, and goes on where it was.

import { headingOf } from "./failing.js";
import { words } from "./upload_card.js";

// How long nothing may be sent, and how long the server may look at a picture, before it counts as gone; in ms.
const STALLED = 60_000;
const UNANSWERED = 150_000;
// One is on its way while the server looks at the one before.
const AT_ONCE = 2;
// Answers after which the others would fail alike: no answer, too often, not now.
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

  // `dataOf` a card is what is sent to `address`; `changed` is called whenever there is something else to be shown.
  constructor({ address, dataOf, changed }) {
    Object.assign(this, { address, dataOf, changed });
    window.addEventListener("online", () => this.#goOn());
  }

  get isSending() {
    return this.#requests.size > 0;
  }

  // Those of the batch that can be sent still.
  get left() {
    return [...this.#batch].filter(({ state }) => state === "waiting" || state === "failed");
  }

  get batch() {
    return [...this.#batch];
  }

  // Whether it has stopped with some left, by its own or by somebody's wish.
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

  // Those that are chosen while others are sent go with them.
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
    // What the server has as a whole it goes on with.
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
    // Paused with the last ones under way, it is done once they are.
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

  // The others wait: for the person, for the network, or for as long as the server has said.
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

// Sends and waits for the answer, whatever it is.
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

// Why an answer is none, in words; "" for one that tells what became of the picture.
function problemOf(request, address) {
  if (request.status === 0) return words.unreachable;
  if (request.status === 503) return words.unavailable;
  const path = (one) => new URL(one, location.href).pathname;
  if (path(request.responseURL) !== path(address)) return words.loggedOut;
  // One of our pages about what went wrong has a heading, and those of proxies have none that people can read.
  const heading = headingOf(request.responseText);
  if (heading) return heading;
  if (/data-outcome|errorlist/.test(request.responseText)) return "";
  return request.status === 413 ? words.tooLargeOnTheWay : words.failed;
}
