// One socket a tab. It opens again after a pause, and at once when there is a reason to hope.

const TOO_SLOW = 4408

export default class ChatSocket {
  #page
  #socket = null
  #backoff = new Backoff({ most: 6_000 }) // a restart takes seconds: nobody should wait much longer than it
  #retry = 0

  // `page` hears opened(), received(frame) and closed(code), which answers whether to go on trying.
  constructor(page) {
    this.#page = page
  }

  start() {
    this.#connect()
    addEventListener("online", () => this.#renew())
    document.addEventListener("visibilitychange", () => document.hidden || this.#again(0))
  }

  send(frame) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(frame))
  }

  // Internal

  #connect() {
    const scheme = location.protocol === "https:" ? "wss:" : "ws:"
    this.#socket = new WebSocket(`${scheme}//${location.host}/ws/`)
    this.#socket.onopen = () => this.#page.opened()
    this.#socket.onmessage = (event) => this.#received(JSON.parse(event.data))
    this.#socket.onclose = (event) => this.#closed(event.code)
  }

  // Only now is all well: a socket that is refused opens first, too.
  #received(frame) {
    this.#backoff.reset()
    this.#page.received(frame)
  }

  #closed(code) {
    if (this.#page.closed(code)) this.#again(code === TOO_SLOW ? 0 : this.#backoff.next())
  }

  #again(delay) {
    if (this.#socket.readyState !== WebSocket.CLOSED) return

    clearTimeout(this.#retry)
    this.#retry = setTimeout(() => this.#socket.readyState === WebSocket.CLOSED && this.#connect(), delay)
  }

  // The network was away: a socket that looks open may be dead without knowing it.
  #renew() {
    if (this.#socket.readyState === WebSocket.OPEN) {
      Object.assign(this.#socket, { onmessage: null, onclose: null })
      this.#socket.close()
      this.#connect()
    }
    this.#again(0)
  }
}

// How long to wait before the next attempt: doubling, bounded, and jittered so that a thousand tabs do not come at once.
export class Backoff {
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
