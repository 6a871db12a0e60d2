// The parameters of the chosen model, in the popover behind the gear: what is set, what is wrong with it, and how much
// differs from the documented defaults. The composer fetches this when it is needed first: most messages set nothing.
import { differs, keeps, valueOf } from "chatsite/models/parameter_values.js"

export default class ParameterForm extends HTMLElement {
  #typed = new Map() // by name, what stood last in the fields of each model that was shown here
  #thinks = true
  #wanted = ""
  #fetching = false

  // Lifecycle

  connectedCallback() {
    this.addEventListener("input", this.#changed)
    this.addEventListener("focusout", this.#left)
    this.addEventListener("click", this.#clicked)
    this.addEventListener("keydown", this.#key)
    this.addEventListener("htmx:afterSwap", this.#swapped)
    document.addEventListener("pointerdown", this.#outside)
    for (const field of this.#fields) this.#remember(field)
    this.#count()
  }

  disconnectedCallback() {
    document.removeEventListener("pointerdown", this.#outside)
  }

  // For the composer

  // The form of another model. One request at a time; whoever chose on meanwhile gets the last one.
  async show(model) {
    this.#wanted = model
    if (this.#fetching) return

    this.#fetching = true
    for (let asked = ""; this.#wanted !== this.#shown && this.#wanted !== asked; ) {
      asked = this.#wanted
      await this.#fetch(asked)
    }
    this.#fetching = false
  }

  // Without thinking there is nothing to set about it.
  thinking(isOn) {
    this.#thinks = isOn
    for (const field of this.#fields) field.disabled = "needsThinking" in field.dataset && !isOn
    this.#count()
  }

  // What is set, of parameters with these names.
  values(names) {
    const values = {}
    for (const name of names) {
      const { kind, text, needsThinking } = this.#typed.get(name) ?? {}
      const value = text && (this.#thinks || !needsThinking) ? valueOf(kind, text) : null
      if (value !== null) values[name] = value
    }
    return values
  }

  // Whether all is good. Where not, it says so beside the field, and goes there.
  check() {
    const bad = this.#fields.filter((field) => !this.#judge(field))
    if (bad.length) this.#goTo(bad[0])
    return !bad.length
  }

  // What the server says of the parameter `param` (stop[2] is the third of stop); false when it has no field here.
  refuse(param, message) {
    const name = param.replace(/\[.*$/, "")
    const field = this.#fields.find((each) => each.name === name || each.dataset.param === name)
    if (!field) return false

    this.#tell(field, message)
    this.#goTo(field)
    return true
  }

  // Actions

  #changed = ({ target }) => {
    if (!target.dataset.kind) return

    this.#remember(target)
    this.#count()
    if (target.ariaInvalid === "true") this.#judge(target)
  }

  #left = ({ target }) => {
    if (target.dataset.kind) this.#judge(target)
  }

  #clicked = (event) => {
    if (event.target.closest("[data-part=reset]")) this.#reset()
  }

  // Enter would send the message.
  #key = (event) => {
    if (event.key !== "Enter" || event.target.localName !== "input" || event.isComposing) return

    event.preventDefault()
    if (!this.check()) return

    this.#popover.open = false
    this.querySelector("summary").focus()
  }

  #outside = (event) => {
    if (!this.contains(event.target)) this.#popover.open = false
  }

  // What was typed for parameters that both models have is kept.
  #swapped = () => {
    for (const field of this.#fields) {
      if (this.#typed.has(field.name)) field.value = this.#typed.get(field.name).text
      this.#remember(field)
    }
    this.thinking(this.#thinks)
  }

  // Internal

  #fetch(model) {
    const { value: conversation } = this.closest("form").elements.conversation
    const url = `${this.dataset.url}?${new URLSearchParams({ model, conversation })}`
    return htmx.ajax("GET", url, { source: this.#panel, target: this.#panel, swap: "innerHTML" }).catch(() => {})
  }

  #reset() {
    for (const field of this.#fields) {
      field.value = ""
      this.#tell(field, "")
      this.#remember(field)
    }
    this.#count()
  }

  #remember(field) {
    const { kind, needsThinking } = field.dataset
    this.#typed.set(field.name, { kind, text: textOf(field), needsThinking: needsThinking !== undefined })
  }

  #judge(field) {
    const isGood = field.disabled || keeps(ruleOf(field), textOf(field))
    this.#tell(field, isGood ? "" : `Must be ${field.dataset.rule}.`)
    return isGood
  }

  #tell(field, message) {
    const line = this.querySelector(`#${field.id}-error`)
    line.textContent = message
    line.hidden = !message
    if (message) field.setAttribute("aria-invalid", "true")
    else field.removeAttribute("aria-invalid")
  }

  #goTo(field) {
    this.#popover.open = true
    field.focus()
  }

  #count() {
    const set = this.#fields.filter((field) => !field.disabled && differs(ruleOf(field), textOf(field))).length
    const shown = this.querySelector("[data-part=count-set]")
    shown.textContent = set ? `${set} set` : ""
    shown.hidden = !set
  }

  get #fields() {
    return [...this.querySelectorAll("[data-kind]")]
  }

  get #shown() {
    return this.#panel.firstElementChild.dataset.model
  }

  get #popover() {
    return this.querySelector("details")
  }

  get #panel() {
    return this.querySelector("#parameters")
  }
}

// What was typed into a number's field and is no number reads as nothing there.
const textOf = (field) => (field.validity.badInput ? "not a number" : field.value)

const ruleOf = ({ dataset, min, max }) => ({
  kind: dataset.kind,
  standard: dataset.default,
  least: bound(min),
  most: bound(max),
  above: bound(dataset.above),
  below: bound(dataset.below),
  lines: bound(dataset.most),
  longest: bound(dataset.longest),
})

const bound = (text) => (text ? Number(text) : NaN)

customElements.define("parameter-form", ParameterForm)
