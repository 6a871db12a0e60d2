// Drafts: one for each chat, and no harm when there is nowhere to keep them.
import assert from "node:assert/strict"
import { test } from "node:test"

import DraftStore from "../../static/js/models/draft_store.js"

const memory = () => {
  const kept = new Map()
  return {
    getItem: (key) => kept.get(key) ?? null,
    setItem: (key, text) => kept.set(key, text),
    removeItem: (key) => kept.delete(key),
    kept,
  }
}

const refusing = {
  getItem() { throw new Error("forbidden") },
  setItem() { throw new Error("full") },
  removeItem() { throw new Error("forbidden") },
}

test("each chat keeps a draft of its own", () => {
  const drafts = new DraftStore(memory())
  drafts.save("one", "Hello")
  drafts.save("", "For a new chat")
  assert.deepEqual([drafts.load("one"), drafts.load("two"), drafts.load("")], ["Hello", "", "For a new chat"])
})

test("an empty draft leaves nothing behind", () => {
  const storage = memory()
  const drafts = new DraftStore(storage)
  drafts.save("one", "Hello")
  drafts.save("one", "")
  assert.equal(storage.kept.size, 0)
})

test("storage that refuses costs the draft and nothing else", () => {
  for (const storage of [refusing, null]) {
    const drafts = new DraftStore(storage)
    drafts.save("one", "Hello")
    assert.equal(drafts.load("one"), "")
  }
})
