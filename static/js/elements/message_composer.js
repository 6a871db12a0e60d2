// Where a message is written: grows, counts, keeps drafts, and shows what the chosen model can do.
// Says `turn-requested` and `stop-requested`; the page around it answers with accepted() or refused().
import DraftStore from "chatsite/models/draft_store.js"

const DRAFT_DELAY = 300

export default class MessageComposer extends HTMLElement {
  #drafts = new DraftStore(storage())
  #saving = 0
  #sent = null
  #leaf = ""
  #edited = null // the parent of the message that is written anew
  #before = "" // what stood here when that began
  #loading = Promise.resolve(true) // whether the code of the parameters is there, or not needed

  // Lifecycle

  connectedCallback() {
    this.#form.addEventListener("submit", this.#submit)
    this.#text.addEventListener("keydown", this.#key)
    this.#text.addEventListener("input", this.#typed)
    this.#model.addEventListener("change", this.#modelChanged)
    this.#thinking.addEventListener("change", this.#thinkingChanged)
    this.#part("stop").addEventListener("click", this.#stop)
    this.#part("cancel-edit").addEventListener("click", this.#cancelEdit)
    this.addEventListener("keydown", this.#escape)
    this.addEventListener("toggle", this.#need, true)
    window.addEventListener("pagehide", this.#save)
    this.#text.value ||= this.#drafts.load(this.chat)
    this.#showModel()
    if (this.#parameters.dataset.set !== "0" || this.querySelector("details[open]")) this.#need()
    if (this.querySelector("[data-model]")?.dataset.model !== this.model) this.#modelChanged() // chosen before we were there
    this.#measure()
    this.takeFocus()
  }

  disconnectedCallback() {
    window.removeEventListener("pagehide", this.#save)
  }

  // For the page

  get chat() {
    return this.#form.elements.conversation.value
  }

  get model() {
    return this.#model.value
  }

  titleOf(model) {
    return this.#model.querySelector(`option[value="${CSS.escape(model)}"]`)?.dataset.title ?? model
  }

  // Only what was set, and what this model has a word for.
  get params() {
    const thinking = this.#settable.includes("thinking") ? { thinking: this.#thinking.checked } : {}
    return { ...thinking, ...this.#parameters.values?.(this.#settable) }
  }

  // Whether the parameters can be sent. What is wrong with them stands beside their fields then.
  async check() {
    return ((await this.#loading) || (await this.#need())) && (this.#parameters.check?.() ?? true)
  }

  // The chat that the next message belongs to, and the message that it follows.
  at(chat, leaf) {
    this.#form.elements.conversation.value = chat ?? ""
    this.#leaf = leaf ?? ""
    this.#form.elements.parent.value = this.#edited ?? this.#leaf
  }

  // What is sent next becomes another version of a message that follows `parent`.
  edit(text, parent) {
    if (this.#edited === null) this.#before = this.#text.value
    this.#edit(parent)
    this.fill(text)
  }

  running(isRunning) {
    if (isRunning === !this.#part("stop").hidden) return

    const [shown, gone] = isRunning ? ["stop", "send"] : ["send", "stop"]
    const hadFocus = document.activeElement === this.#part(gone)
    this.#part(shown).hidden = false
    this.#part(gone).hidden = true
    this.#part("stop").removeAttribute("aria-disabled")
    if (hadFocus) this.#part(shown).focus({ preventScroll: true })
    if (hadFocus) this.takeFocus()
  }

  // Where there is a keyboard: on a phone it would cover the answer.
  takeFocus() {
    if (matchMedia("(hover: hover)").matches) this.#text.focus({ preventScroll: true })
  }

  fill(text) {
    this.#text.value = text
    this.#text.focus()
    this.#text.setSelectionRange(text.length, text.length)
    this.#typed()
  }

  accepted(clientId) {
    if (this.#sent?.clientId !== clientId) return this.#alert("")

    this.#drafts.save(this.#sent.chat, "")
    if (this.#text.value === this.#sent.text) this.#text.value = this.#before
    this.#edit(null)
    this.#settled("")
  }

  async refused(message, param = null) {
    this.#settled(message)
    if (param && (await this.#need()) && this.#parameters.refuse(param, message)) return

    this.#text.focus({ preventScroll: true })
  }

  // Actions

  #submit = async (event) => {
    event.preventDefault()
    if (!(await this.check())) return

    const text = this.#text.value
    if (!text.trim() || this.#sent || this.#part("send").hidden || this.#part("send").disabled) return

    this.#sent = { chat: this.chat, text, clientId: newId() }
    this.#form.setAttribute("aria-busy", "true")
    this.#alert("")
    this.#say("turn-requested", {
      type: "send",
      conversation: this.chat || null,
      parent: this.#form.elements.parent.value || null,
      text,
      model: this.model,
      params: this.params,
      client_id: this.#sent.clientId,
    })
  }

  #stop = () => {
    this.#part("stop").setAttribute("aria-disabled", "true") // it keeps the focus, as a disabled one would not
    this.#say("stop-requested")
  }

  // An input method's Enter chooses a word; Safari reports it only by its key code.
  #key = (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return

    event.preventDefault()
    this.#form.requestSubmit(this.#part("send"))
  }

  // One thing at a time: the parameters, then the edit. In the list of models it is the list's own key.
  #escape = (event) => {
    if (event.key !== "Escape" || event.isComposing || event.target === this.#model) return

    const open = this.querySelector("details[open]")
    if (!open) return this.#edited === null || this.#cancelEdit()

    open.open = false
    open.querySelector("summary").focus()
  }

  #cancelEdit = () => {
    const before = this.#before
    this.#edit(null)
    this.fill(before)
  }

  #typed = () => {
    this.#measure()
    clearTimeout(this.#saving)
    this.#saving = setTimeout(this.#save, DRAFT_DELAY)
  }

  #save = () => {
    if (!this.#sent) this.#drafts.save(this.chat, this.#text.value)
  }

  #modelChanged = async () => {
    this.#showModel()
    if (await this.#need()) this.#parameters.show(this.model)
  }

  #thinkingChanged = () => this.#parameters.thinking?.(this.#thinking.checked)

  // The form's code is fetched when it is needed first.
  #need = () => (this.#loading = import("chatsite/elements/parameter_form.js").then(this.#arrived, this.#lost))

  #arrived = () => {
    this.#thinkingChanged()
    return true
  }

  #lost = () => {
    this.#alert("The parameters could not be loaded. Check your connection, then try again.")
    return false
  }

  // Internal

  #showModel() {
    const canThink = this.#settable.includes("thinking")
    this.#form.elements.can_think.value = canThink ? "1" : ""
    this.#part("thinking").hidden = !canThink
    this.#part("simulated").hidden = !this.#model.selectedOptions[0]?.dataset.simulated
    this.#showCard()
  }

  // The new chat's page keeps a card for each model.
  #showCard() {
    const card = document.querySelector(`template[data-model="${CSS.escape(this.model)}"]`)
    if (card) document.querySelector(".model-card").replaceWith(card.content.cloneNode(true))
  }

  #edit(parent) {
    this.#edited = parent
    if (parent === null) this.#before = ""
    this.#part("editing").hidden = parent === null
    this.#form.elements.parent.value = parent ?? this.#leaf
  }

  #settled(message) {
    this.#sent = null
    this.#form.removeAttribute("aria-busy")
    this.#alert(message)
    this.#measure()
    this.#save()
  }

  #alert(message) {
    this.#part("alert").textContent = message
    this.#part("alert").hidden = !message
  }

  #measure() {
    const count = Array.from(this.#text.value).length
    this.#part("count").textContent = count ? `${count.toLocaleString()} ${count === 1 ? "char" : "chars"}` : ""
    if (CSS.supports("field-sizing", "content")) return

    this.#text.style.height = "auto"
    this.#text.style.height = `${this.#text.scrollHeight}px`
  }

  #say(name, detail = null) {
    this.dispatchEvent(new CustomEvent(name, { bubbles: true, detail }))
  }

  #part(name) {
    return this.querySelector(`[data-part="${name}"]`)
  }

  get #form() {
    return this.querySelector("form")
  }

  get #text() {
    return this.#form.elements.text
  }

  get #model() {
    return this.#form.elements.model
  }

  get #thinking() {
    return this.#form.elements.thinking
  }

  get #settable() {
    return (this.#model.selectedOptions[0]?.dataset.settable ?? "").split(" ")
  }

  get #parameters() {
    return this.querySelector("parameter-form")
  }
}

const storage = () => {
  try {
    return localStorage
  } catch {
    return null
  }
}

// crypto.randomUUID is missing on plain http.
export const newId = () => {
  const bytes = crypto.getRandomValues(new Uint8Array(16))
  bytes[6] = (bytes[6] & 0x0f) | 0x40
  bytes[8] = (bytes[8] & 0x3f) | 0x80
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5")
}

customElements.define("message-composer", MessageComposer)
