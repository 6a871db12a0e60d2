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

const SENTENCE_END = /[^\s\d][.!?…:]["'”’»)\]*_`]*\s|[。!?]|\n/g

// The same text as it is read aloud: whole sentences, without the marks of Markdown.
export class Sentences {
  #rest = ""

  // The sentences that ended with this piece, "" when none did.
  add(piece) {
    this.#rest += piece
    const ends = Array.from(this.#rest.matchAll(SENTENCE_END), (match) => match.index + match[0].length)
    return this.#take(ends.at(-1) ?? 0)
  }

  // What is left when nothing more comes.
  end() {
    return this.#take(this.#rest.length)
  }

  #take(length) {
    const said = this.#rest.slice(0, length)
    this.#rest = this.#rest.slice(length)
    return spoken(said)
  }
}

const spoken = (text) =>
  text
    .replace(/^\s*(```.*|[-|: ]+)$/gm, "")
    .replace(/^\s*(#+|>|[-*+])\s+/gm, "")
    .replace(/\*+|`|\|/g, " ")
    .replace(/\s+/g, " ")
    .replace(/ ([.,;:!?])/g, "$1")
    .trim()
