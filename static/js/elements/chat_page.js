// The chat's page: one socket, the frames on it, and the thread that they change.
import { newId } from "chatsite/elements/message_composer.js"
import "chatsite/elements/live_answer.js"
import ChatSocket from "chatsite/elements/chat_socket.js"

const SIGNED_OUT = 4401
const UNACCEPTABLE = [4400, 4403, 4413]
const AT_THE_END = 48
const ENDINGS = { done: "Answer finished", stopped: "Answer stopped", failed: "Answer failed", interrupted: "Answer interrupted" }

class ChatPage extends HTMLElement {
  #socket = new ChatSocket({
    opened: () => this.#opened(),
    received: (frame) => this.#receive(frame),
    closed: (code) => this.#closed(code),
  })
  #unanswered = new Map() // frames that were not answered yet, by client or generation id: sent again after a reconnect
  #unwanted = new Set() // client ids of turns that were stopped before they began
  #resyncing = new Set()
  #following = true
  #lastTop = 0
  #grown = new ResizeObserver(() => this.#following && this.#toEnd())
  #leaving = false

  // Lifecycle

  connectedCallback() {
    this.addEventListener("turn-requested", (event) => this.#ask(event.detail))
    this.addEventListener("stop-requested", () => this.#stop())
    this.addEventListener("sentences-ended", (event) => this.#tell("announcer", event.detail))
    this.addEventListener("click", this.#clicked)
    this.addEventListener("htmx:afterSwap", () => this.#sync())
    addEventListener("scroll", this.#scrolled, { passive: true })
    addEventListener("popstate", () => location.reload())
    addEventListener("offline", () => this.#sayLost())
    addEventListener("pagehide", () => (this.#leaving = true))
    addEventListener("pageshow", (event) => event.persisted && location.reload())
    customElements.whenDefined("message-composer").then(() => this.#start())
  }

  #start() {
    if (location.href.endsWith("/?")) history.replaceState({}, "", "/") // a form without fields leaves its mark
    this.#following = Boolean(this.#leaf)
    this.#grown.observe(this.querySelector(".chat__main"))
    this.#sync()
    this.#socket.start()
  }

  // Socket

  #opened() {
    this.#resyncing.clear()
    this.#tell("connection", "")
    if (this.#chat) this.#socket.send({ type: "watch", conversation: this.#chat })
    for (const frame of this.#unanswered.values()) this.#socket.send(frame)
  }

  // Whether to go on trying.
  #closed(code) {
    if (this.#leaving) return false
    if (code === SIGNED_OUT) return location.assign(`/accounts/login/?next=${encodeURIComponent(location.pathname)}`)
    if (UNACCEPTABLE.includes(code)) this.#giveUp("This could not be sent. Shorten it, or reload the page.")

    this.#sayLost()
    return true
  }

  #sayLost() {
    const waiting = this.#unanswered.size ? " What you asked goes out as soon as the connection is back." : ""
    this.#tell("connection", (navigator.onLine ? "Reconnecting…" : "You are offline.") + waiting)
  }

  // Sending the same again would end the same way.
  #giveUp(message) {
    this.#unanswered.clear()
    this.#composer.refused(message)
    this.#sync()
  }

  // Actions

  #ask(frame) {
    this.#unanswered.set(frame.client_id ?? frame.generation, frame)
    this.#socket.send(frame)
    this.#sync()
  }

  // Before the answer has begun there is nothing to stop yet: it is stopped as soon as it begins.
  #stop() {
    if (this.#asked) this.#unwanted.add(this.#asked.client_id)
    else if (this.#live) this.#ask({ type: "stop", generation: this.#live.generation })
  }

  async #regenerate(message) {
    if (!(await this.#composer.check()) || this.#asked) return

    const { model, params } = this.#composer
    this.#ask({ type: "regenerate", message, model, params, client_id: newId() })
    this.#composer.takeFocus()
  }

  #edit(article) {
    this.#composer.edit(article.querySelector(".message__bubble").textContent, article.dataset.parent)
  }

  #clicked = (event) => {
    const target = event.target.closest("[data-part]")
    const part = target?.dataset.part
    if (part === "regenerate") this.#regenerate(target.value)
    if (part === "starter") this.#composer.fill(target.value)
    if (part === "edit") this.#edit(target.closest("article"))
    if (part === "jump") this.#toEnd()
  }

  // Frames

  #receive(frame) {
    this.#tell("connection", "") // a site on this machine is there without a network, too
    switch (frame.type) {
      case "turn.started": return this.#turnStarted(frame)
      case "turn.refused": return this.#turnRefused(frame)
      case "delta": return this.#delta(frame)
      case "snapshot": return this.#snapshot(frame)
      case "turn.ended": return this.#turnEnded(frame)
      case "watching": return this.#watching(frame)
      case "sidebar": return this.querySelector("side-bar").refresh()
      case "error": return this.#giveUp(frame.message)
    }
  }

  #turnStarted(frame) {
    const mine = this.#unanswered.delete(frame.client_id)
    if (this.#unwanted.delete(frame.client_id)) this.#ask({ type: "stop", generation: frame.generation })
    if (mine) this.#composer.accepted(frame.client_id)
    if (mine && !this.#chat) this.#enter(frame.conversation)
    if (frame.conversation !== this.#chat || this.#article(frame.message)) return

    if (mine) this.#following = true
    this.#tell("announcer", "Answer started")
    if (!this.#place(frame)) this.#loadThread()
    this.#sync()
  }

  #turnRefused(frame) {
    if (this.#unanswered.delete(frame.client_id)) this.#composer.refused(frame.message, frame.param)
    this.#sync()
  }

  #delta({ generation, channel, at, text }) {
    const live = this.#liveOf(generation)
    if (!live || live.add(channel, at, text) || this.#resyncing.has(generation)) return

    this.#resyncing.add(generation)
    this.#socket.send({ type: "resync", generation })
  }

  #snapshot(frame) {
    this.#resyncing.delete(frame.generation)
    this.#liveOf(frame.generation)?.replace(frame)
    if (frame.status in ENDINGS) this.#finish(frame.message)
  }

  #turnEnded(frame) {
    this.#unanswered.delete(frame.generation)
    const rest = this.#liveOf(frame.generation)?.unsaid() ?? ""
    if (this.#article(frame.message)) this.#tell("announcer", `${rest} ${ENDINGS[frame.status]}`.trim())
    this.#finish(frame.message)
    this.querySelector("side-bar").refresh()
  }

  // Heals what was missed while there was no socket.
  #watching(frame) {
    if (frame.conversation !== this.#chat) return

    for (const live of this.querySelectorAll("#thread live-answer")) {
      if (frame.running.includes(live.generation)) continue
      this.#unanswered.delete(live.generation)
      this.#finish(live.closest("article").dataset.message)
    }
    if (frame.leaf && frame.leaf !== this.#leaf) this.#loadThread()
  }

  // Thread

  // The first turn of a new chat: the page becomes that chat's.
  #enter(chat) {
    this.dataset.conversation = chat
    history.pushState({}, "", `/c/${chat}`)
    this.#part("welcome")?.remove()
    load(`/c/${chat}`, "#chat-header", "#chat-header")
  }

  // Shows a turn that begins; false when it does not follow what the page shows.
  #place({ kind, prompt, parent, message, generation, text, model }) {
    if (kind === "regenerate") {
      if (!this.#article(prompt)) return false
      while (this.#article(prompt).nextElementSibling) this.#article(prompt).nextElementSibling.remove()
    } else {
      if ((this.#leaf ?? null) !== parent) return false
      const bubble = this.#clone("prompt-template", prompt, parent)
      bubble.querySelector(".message__bubble").textContent = text
      bubble.querySelector("[data-source]").dataset.source = `/messages/${prompt}?as=text`
      this.#thread.append(bubble)
    }
    this.#thread.append(this.#blankAnswer(message, prompt, generation, model))
    return true
  }

  #blankAnswer(message, prompt, generation, model) {
    const article = this.#clone("answer-template", message, prompt)
    const title = this.#composer.titleOf(model)
    article.setAttribute("aria-label", title)
    article.querySelector("[data-part=model]").textContent = title
    article.querySelector("summary").id = `reasoning-${message}`
    Object.assign(article.querySelector("live-answer").dataset, { generation, started: Date.now() / 1000 })
    return article
  }

  #clone(template, id, parent) {
    const article = document.importNode(this.#part(template).content, true).firstElementChild
    article.id = `message-${id}`
    Object.assign(article.dataset, { message: id, parent: parent ?? "" })
    return article
  }

  // Swaps the rendered message in. Reasoning that was opened stays open, and who reads in the middle stays there.
  async #finish(message) {
    const article = this.#article(message)
    load("/balance", "#balance")
    if (!article) return

    article.querySelector("live-answer")?.end()
    const wasOpen = article.querySelector("details")?.open
    const { top, height } = article.getBoundingClientRect()
    await load(`/messages/${message}`, `#message-${message}`)
    const swapped = this.#article(message)
    const reasoning = swapped?.querySelector("details.reasoning")
    if (reasoning && wasOpen) reasoning.open = true
    swapped?.querySelector("live-answer")?.toggleAttribute("data-left", true) // it could not be had
    this.#sync()
    if (swapped && !this.#following && top < 0) this.#keepPlace(swapped, top / height)
  }

  #loadThread() {
    if (this.#chat) load(`/c/${this.#chat}/thread`, "#thread")
  }

  // Tells the composer what the thread shows now.
  #sync() {
    this.#composer.at(this.#chat, this.#leaf)
    this.#composer.running(Boolean(this.#asked || this.#live))
  }

  // Scrolling: follows the end while the reader is there, and leaves a reader who went up alone.

  #scrolled = () => {
    const { scrollTop, scrollHeight, clientHeight } = document.scrollingElement
    if (scrollHeight - scrollTop - clientHeight < AT_THE_END) this.#following = true
    else if (scrollTop < this.#lastTop) this.#following = false
    this.#lastTop = scrollTop
    this.#part("jump").hidden = this.#following || !this.#leaf
  }

  #keepPlace(article, share) {
    const { top, height } = article.getBoundingClientRect()
    scrollBy(0, top - share * height)
  }

  #toEnd() {
    this.#following = true
    document.scrollingElement.scrollTop = document.scrollingElement.scrollHeight
  }

  #tell(part, text) {
    this.#part(part).textContent = text
    this.#part(part).hidden = !text
  }

  get #chat() { return this.dataset.conversation || null }
  get #composer() { return this.querySelector("message-composer") }
  get #thread() { return this.querySelector("#thread") }
  get #leaf() { return this.#thread.lastElementChild?.dataset.message }
  get #live() { return this.#thread.querySelector("live-answer:not([data-left])") }
  get #asked() { return [...this.#unanswered.values()].find((frame) => frame.client_id) }
  #liveOf(generation) { return this.#thread.querySelector(`live-answer[data-generation="${generation}"]`) }
  #article(message) { return this.#thread.querySelector(`#message-${message}`) }
  #part(name) { return this.querySelector(`[data-part="${name}"]`) }
}

// Each target is its own source: htmx lets requests of one source wait for each other, and drops some.
const load = (url, target, select) => htmx.ajax("GET", url, { source: target, target, select, swap: "outerHTML" })

customElements.define("chat-page", ChatPage)
