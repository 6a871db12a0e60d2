// Text that arrives in pieces that say where they begin. Pure: no DOM, no socket.
// Positions count code points, as Python does; String.length would count an emoji twice.
export default class StreamText {
  #text = ""
  #count = 0

  constructor(text = "") {
    this.reset(text)
  }

  get text() {
    return this.#text
  }

  // Returns what to append, "" for a repeat, or null when something before this piece is missing.
  add(at, piece) {
    if (at > this.#count) return null

    const fresh = Array.from(piece).slice(this.#count - at)
    this.#count += fresh.length
    this.#text += fresh.join("")
    return fresh.join("")
  }

  // A snapshot is the whole text so far, whatever was here before.
  reset(text) {
    this.#text = text
    this.#count = Array.from(text).length
  }
}
