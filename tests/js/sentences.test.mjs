import assert from "node:assert/strict"
import { test } from "node:test"
import { Sentences } from "../../static/js/models/stream_text.js"

const heard = (...pieces) => {
  const sentences = new Sentences()
  return [...pieces.map((piece) => sentences.add(piece)), sentences.end()].filter(Boolean)
}

test("nothing is said before a sentence has ended", () => {
  assert.deepEqual(heard("Small", " steps help. Then"), ["Small steps help.", "Then"])
})

test("sentences that end together are said together", () => {
  assert.deepEqual(heard("One. Two! Three? Fo", "ur"), ["One. Two! Three?", "Four"])
})

test("the point of a number or of a list's mark ends nothing", () => {
  assert.deepEqual(heard("1. ", "It costs 3. ", "5 credits.\n"), ["1. It costs 3. 5 credits."])
})

test("the marks of Markdown are not read aloud", () => {
  assert.deepEqual(heard("## A *title*\n", "- **Start** with `one`.\n"), ["A title", "Start with one."])
  assert.deepEqual(heard("```python\nprint(1)\n```\n"), ["print(1)"])
  assert.deepEqual(heard("| a | b |\n|---|--:|\n| 1 | 2 |\n"), ["a b 1 2"])
})

test("names keep their underscores", () => {
  assert.deepEqual(heard("Call max_tokens first. "), ["Call max_tokens first."])
})

test("Chinese and Japanese sentences end without a space", () => {
  assert.deepEqual(heard("先从例子", "开始。再慢慢"), ["先从例子开始。", "再慢慢"])
})

test("what was said is not said again", () => {
  const sentences = new Sentences()
  sentences.add("One. ")
  assert.equal(sentences.end(), "")
})
