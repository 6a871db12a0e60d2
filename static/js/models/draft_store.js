// What was typed and not sent, per chat. Storage that is full, forbidden or absent costs the draft and nothing else.
export default class DraftStore {
  #storage

  constructor(storage) {
    this.#storage = storage
  }

  load(chat) {
    try {
      return this.#storage.getItem(keyOf(chat)) ?? ""
    } catch {
      return ""
    }
  }

  save(chat, text) {
    try {
      if (text) this.#storage.setItem(keyOf(chat), text)
      else this.#storage.removeItem(keyOf(chat))
    } catch {
      // The text is still in the composer.
    }
  }
}

const keyOf = (chat) => `draft:${chat || "new"}`
