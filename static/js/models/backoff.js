// How long to wait before the next attempt: doubling, bounded, and jittered so that a thousand tabs do not come at once.
export default class Backoff {
  #attempt = 0
  #random

  constructor({ first = 500, most = 15_000, random = Math.random } = {}) {
    this.first = first
    this.most = most
    this.#random = random
  }

  // Milliseconds: between half of the step and all of it.
  next() {
    const step = Math.min(this.most, this.first * 2 ** this.#attempt)
    this.#attempt = Math.min(this.#attempt + 1, 30)
    return Math.round(step * (0.5 + this.#random() / 2))
  }

  reset() {
    this.#attempt = 0
  }
}
