// Asks for JSON again and again, while somebody looks.

const TIMEOUT_MS = 4000;
const SLOWEST_MS = 5000;

export async function getJson(path) {
  const response = await fetch(path, {
    cache: "no-store", signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  if (!response.ok) throw new Error(`${path} says ${response.status}`);
  return response.json();
}

// One request at a time. Not while the tab is hidden, nor while `wanted` says
// no; more rarely while there is no answer.
export class Poll {
  #path;
  #period;
  #options;
  #timer = null;
  #busy = false;
  #failures = 0;

  // options: {onData, onError, wanted}
  constructor(path, periodMs, options) {
    this.#path = path;
    this.#period = periodMs;
    this.#options = options;
    document.addEventListener("visibilitychange", () => this.now());
    this.now();
  }

  // Asks at once, where it may ask.
  now() {
    clearTimeout(this.#timer);
    if (!this.#busy) this.#ask();
  }

  async #ask() {
    if (document.hidden || this.#options.wanted?.() === false) return;
    this.#busy = true;
    const begin = performance.now();
    let data = null;
    let problem = null;
    try {
      data = await getJson(this.#path);
      this.#failures = 0;
    } catch (error) {
      problem = error;
      ++this.#failures;
    }
    this.#busy = false;
    const period = this.#failures === 0 ? this.#period :
      Math.max(Math.min(500 * 2 ** this.#failures, SLOWEST_MS), this.#period);
    this.#timer = setTimeout(
      () => this.now(), Math.max(period - (performance.now() - begin), 100));
    // Last: a mistake in a view must not end the polling.
    if (problem) {
      this.#options.onError?.(problem);
    } else {
      this.#options.onData(data);
    }
  }
}
