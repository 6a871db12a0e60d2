// Small elements that pages share: the theme, copying, rendered text, the sidebar.

const YEAR = 365 * 24 * 3600

const setCookie = (name, value) => {
  const secure = location.protocol === "https:" ? "; secure" : ""
  document.cookie = `${name}=${value}; path=/; max-age=${YEAR}; samesite=lax${secure}`
}

// The server groups chats by the reader's days and greets by the reader's clock.
setCookie("tz", Intl.DateTimeFormat().resolvedOptions().timeZone ?? "UTC")

class ThemeSwitch extends HTMLElement {
  connectedCallback() {
    this.addEventListener("click", this.#choose)
  }

  disconnectedCallback() {
    this.removeEventListener("click", this.#choose)
  }

  #choose = (event) => {
    const button = event.target.closest("button")
    if (!button) return

    document.documentElement.dataset.theme = button.value
    setCookie("theme", button.value)
    for (const each of this.querySelectorAll("button")) each.setAttribute("aria-pressed", each === button)
  }
}

// Copies what `data-source` answers, or else the code block or element that it stands in.
class CopyButton extends HTMLElement {
  connectedCallback() {
    this.addEventListener("click", this.#copy)
  }

  disconnectedCallback() {
    this.removeEventListener("click", this.#copy)
  }

  #copy = async (event) => {
    const button = event.target.closest("button")
    if (!button) return

    await writeToClipboard(await this.#text(button))
    button.dataset.done = ""
    setTimeout(() => delete button.dataset.done, 1500)
  }

  async #text(button) {
    if (button.dataset.source) return (await fetch(button.dataset.source)).text()
    return button.dataset.text ?? this.closest(".code")?.querySelector("pre").textContent ?? ""
  }
}

// The clipboard's own interface is missing on plain http.
const writeToClipboard = async (text) => {
  if (navigator.clipboard) return navigator.clipboard.writeText(text)

  const area = document.createElement("textarea")
  area.value = text
  area.className = "off-screen"
  document.body.append(area)
  area.select()
  document.execCommand("copy")
  area.remove()
}

// Rendered text: gives code blocks their bar, and lets wide tables scroll by themselves.
class MessageBody extends HTMLElement {
  connectedCallback() {
    for (const block of this.querySelectorAll(":scope pre:not(.code pre)")) block.replaceWith(framed(block))
    for (const table of this.querySelectorAll(":scope table:not(.table__scroll table)")) table.replaceWith(scrolling(table))
  }
}

const framed = (block) => {
  const frame = build("figure", "code")
  const bar = build("figcaption", "code__bar")
  const copy = document.createElement("copy-button")
  const button = build("button", "code__copy")
  button.type = "button"
  button.append("Copy code")
  copy.append(button)
  bar.append(languageOf(block), copy)
  block.tabIndex = 0
  frame.append(bar, block.cloneNode(true))
  return frame
}

const languageOf = (block) => {
  const name = /language-(\S+)/.exec(block.firstElementChild?.className ?? "")
  return name?.[1] ?? "text"
}

const scrolling = (table) => {
  const frame = build("div", "table__scroll")
  frame.tabIndex = 0
  frame.append(table.cloneNode(true))
  return frame
}

const build = (name, className) => Object.assign(document.createElement(name), { className })

// The list of chats: a column where there is room, a sheet on a phone.
class SideBar extends HTMLElement {
  #refreshing = 0

  connectedCallback() {
    document.addEventListener("click", this.#clicked)
    document.addEventListener("keydown", this.#key)
    document.addEventListener("visibilitychange", this.#seen)
    this.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest" })
  }

  disconnectedCallback() {
    document.removeEventListener("click", this.#clicked)
    document.removeEventListener("keydown", this.#key)
    document.removeEventListener("visibilitychange", this.#seen)
  }

  // A tab that was away may have missed news, or the end of the session: then this leads to the sign-in page.
  #seen = () => document.hidden || this.refresh()

  // Several pieces of news in a moment are one request.
  refresh() {
    clearTimeout(this.#refreshing)
    this.#refreshing = setTimeout(() => this.#load(), 150)
  }

  async #load() {
    const url = `/sidebar?q=${encodeURIComponent(this.#search.value)}`
    await htmx.ajax("GET", url, { source: "#chat-rows", target: "#chat-rows", swap: "outerHTML" })
    const title = this.querySelector("[aria-current] .row__title")?.textContent
    if (!title) return

    document.title = `${title} · Chatsite`
    document.querySelector(".chat__title").textContent = title
  }

  #clicked = (event) => {
    const part = event.target.closest("[data-part]")?.dataset.part
    if (part === "open-sidebar") this.#open(true)
    if (part === "close-sidebar" || part === "scrim") this.#open(false)
  }

  #key = (event) => {
    if (event.key === "Escape" && "open" in this.dataset && !document.querySelector(":popover-open")) this.#open(false)
    if (event.key !== "k" || !(event.metaKey || event.ctrlKey)) return

    event.preventDefault()
    this.#open(true)
    this.#search.focus()
  }

  // A column that was put away stays so, on the next page too.
  #fold(isFolded) {
    document.body.toggleAttribute("data-folded", isFolded)
    setCookie("sidebar", isFolded ? "folded" : "open")
    this.#focusOn(!isFolded)
  }

  #open(isOpen) {
    if (!matchMedia("(width < 900px)").matches) return this.#fold(!isOpen)

    this.toggleAttribute("data-open", isOpen)
    document.querySelector("[data-part=scrim]").hidden = !isOpen
    document.querySelector("main").inert = isOpen
    this.#focusOn(isOpen)
  }

  #focusOn(isOpen) {
    const opener = document.querySelector("[data-part=open-sidebar]")
    opener.setAttribute("aria-expanded", isOpen)
    const next = isOpen ? this.querySelector("[data-part=close-sidebar]") : opener
    next.focus()
  }

  get #search() {
    return this.querySelector("input[type=search]")
  }
}

// Browsers that do not know `command` on a button yet.
const obey = (event) => {
  const button = event.target.closest("button[commandfor]")
  const dialog = button && document.getElementById(button.getAttribute("commandfor"))
  if (button?.getAttribute("command") === "show-modal") dialog.showModal()
  if (button?.getAttribute("command") === "close") dialog.close()
}

if (!("command" in HTMLButtonElement.prototype)) document.addEventListener("click", obey)

// The menu that a dialog was opened from is closed by now: the menu's button takes the focus back.
const giveBack = ({ target }) => document.querySelector(`[popovertarget="${target.dataset.menu}"]`)?.focus()
document.addEventListener("close", giveBack, true)

document.addEventListener("focusin", ({ target }) => "select" in target.dataset && target.select())

customElements.define("side-bar", SideBar)
customElements.define("theme-switch", ThemeSwitch)
customElements.define("copy-button", CopyButton)
customElements.define("message-body", MessageBody)
