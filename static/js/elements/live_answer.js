// An answer while it is written: plain text, one write a frame, a timer for the reasoning.
import StreamText, { Sentences } from "chatsite/models/stream_text.js"

const TICK = 500

export default class LiveAnswer extends HTMLElement {
  #streams = {}
  #sentences = new Sentences()
  #fresh = { text: "", reasoning: "" }
  #frame = 0
  #ticker = 0
  #thinkingSince = 0
  #writing = false

  // Lifecycle

  connectedCallback() {
    for (const channel of ["text", "reasoning"]) this.#streams[channel] ??= new StreamText(this.#part(channel).textContent)
    if (this.#streams.reasoning.text) this.#think(this.#startedAt())
    if (this.#streams.text.text) this.#write()
    this.#ticker = setInterval(() => this.#tick(), TICK)
  }

  disconnectedCallback() {
    clearInterval(this.#ticker)
    cancelAnimationFrame(this.#frame)
  }

  // Frames

  get generation() {
    return this.dataset.generation
  }

  // False when a piece before this one is missing.
  add(channel, at, text) {
    const fresh = this.#streams[channel].add(at, text)
    if (fresh === null) return false

    this.#fresh[channel] += fresh
    if (channel === "text") this.#say(fresh)
    if (fresh) this.#frame ||= requestAnimationFrame(this.#draw)
    return true
  }

  replace({ text, reasoning }) {
    this.#catchUp("reasoning", reasoning)
    this.#catchUp("text", text)
  }

  // Nothing more will come; the rendered message is on its way.
  end() {
    this.dataset.ended = ""
    this.#part("waiting").hidden = true
  }

  // The end of the text that no sentence of it was heard of.
  unsaid() {
    return this.#sentences.end()
  }

  // Internal

  #say(fresh) {
    const detail = this.#sentences.add(fresh)
    if (detail) this.dispatchEvent(new CustomEvent("sentences-ended", { bubbles: true, detail }))
  }

  // What is shown already stays: only a snapshot that differs from it is written anew.
  #catchUp(channel, whole) {
    const shown = this.#part(channel).textContent
    const heard = this.#streams[channel].text
    this.#streams[channel].reset(whole)
    this.#fresh[channel] = ""
    if (whole.startsWith(shown)) this.#fresh[channel] = whole.slice(shown.length)
    else this.#part(channel).textContent = whole
    if (channel === "text" && whole.startsWith(heard)) this.#say(whole.slice(heard.length))
    this.#frame ||= requestAnimationFrame(this.#draw)
  }

  #draw = () => {
    this.#frame = 0
    for (const channel of ["reasoning", "text"]) {
      if (this.#fresh[channel]) this.#part(channel).append(this.#fresh[channel])
      this.#fresh[channel] = ""
    }
    if (this.#streams.reasoning.text) this.#think(Date.now())
    if (this.#streams.text.text) this.#write()
  }

  #think(since) {
    if (this.#thinkingSince) return

    this.#thinkingSince = since
    this.#part("waiting").hidden = true
    this.#part("thinking").hidden = false
    this.#tick()
  }

  #write() {
    if (this.#writing) return

    this.#writing = true
    this.#part("waiting").hidden = true
    this.#settle()
  }

  #settle() {
    if (!this.#thinkingSince) return

    const seconds = Math.max(1, Math.round((Date.now() - this.#thinkingSince) / 1000))
    this.#part("thinking-title").textContent = `Thought for ${inWords(seconds)}`
    this.#part("timer").textContent = ""
    this.#part("last-line").textContent = ""
  }

  #tick() {
    if (!this.#thinkingSince || this.#writing || "ended" in this.dataset) return

    this.#part("timer").textContent = inWords(Math.floor((Date.now() - this.#thinkingSince) / 1000))
    this.#part("last-line").textContent = lastLine(this.#streams.reasoning.text)
  }

  // The server's clock and ours may differ: a start in the future or long ago is not believed.
  #startedAt() {
    const started = Number(this.dataset.started) * 1000
    const age = Date.now() - started
    return age > 0 && age < 3_600_000 ? started : Date.now()
  }

  #part(name) {
    return this.querySelector(`[data-part="${name}"]`)
  }
}

const inWords = (seconds) => (seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`)

// The end of what was thought last, from a whole word on.
const lastLine = (text) => {
  const line = text.slice(-400).trimEnd().split("\n").pop()
  return line.length > 100 ? `…${line.slice(-100).replace(/^\S*\s/, "")}` : line
}

customElements.define("live-answer", LiveAnswer)
