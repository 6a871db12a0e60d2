// Pieces of text with offsets: repeats do no harm, gaps are told, an emoji counts once.
import assert from "node:assert/strict"
import { test } from "node:test"

import StreamText from "../../static/js/models/stream_text.js"

const TEXTS = ["", "Hello, world.", "Café ☕ 日本語", "👩‍👩‍👧 and 🐑🐑", "e\u0301 \u2028 next", "a".repeat(300) + "🦊" + "b".repeat(7)]

// Small, repeatable: mulberry32.
const randomFrom = (seed) => () => {
  seed = (seed + 0x6d2b79f5) | 0
  let t = Math.imul(seed ^ (seed >>> 15), 1 | seed)
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296
}

const piecesOf = (text, random) => {
  const points = Array.from(text)
  const pieces = []
  for (let at = 0; at < points.length; ) {
    const size = 1 + Math.floor(random() * 9)
    pieces.push([at, points.slice(at, at + size).join("")])
    at += size
  }
  return pieces
}

test("a piece that follows is appended", () => {
  const stream = new StreamText("Bon")
  assert.equal(stream.add(3, "jour"), "jour")
  assert.equal(stream.text, "Bonjour")
})

test("an emoji counts as one position", () => {
  const stream = new StreamText("🐑")
  assert.equal(stream.add(1, "!"), "!")
  assert.equal(stream.text, "🐑!")
})

test("a repeat adds nothing", () => {
  const stream = new StreamText("Bonjour")
  assert.equal(stream.add(3, "jour"), "")
  assert.equal(stream.text, "Bonjour")
})

test("of a piece that overlaps only what is new is added", () => {
  const stream = new StreamText("Bon🐑")
  assert.equal(stream.add(2, "n🐑jour"), "jour")
  assert.equal(stream.text, "Bon🐑jour")
})

test("a gap is told and changes nothing", () => {
  const stream = new StreamText("Bon")
  assert.equal(stream.add(4, "our"), null)
  assert.equal(stream.text, "Bon")
})

test("a snapshot of any prefix and the pieces from any offset before its end make the whole text", () => {
  for (const [number, text] of TEXTS.entries()) {
    const points = Array.from(text)
    for (let prefix = 0; prefix <= points.length; prefix++) {
      const random = randomFrom(number * 1000 + prefix)
      const from = Math.floor(random() * (prefix + 1))
      const stream = new StreamText(points.slice(0, prefix).join(""))
      let shown = stream.text
      for (const [at, piece] of piecesOf(points.slice(from).join(""), random)) shown += stream.add(from + at, piece)
      assert.equal(stream.text, text)
      assert.equal(shown, text)
    }
  }
})

test("pieces in any order, with repeats, and a snapshot at every gap make the whole text", () => {
  for (let seed = 0; seed < 200; seed++) {
    const random = randomFrom(seed)
    const text = TEXTS[seed % TEXTS.length]
    const pieces = piecesOf(text, random)
    const arrived = [...pieces, ...pieces].sort(() => random() - 0.5)
    const stream = new StreamText()
    for (const [at, piece] of arrived) {
      const known = Array.from(text).slice(0, at + Array.from(piece).length).join("")
      if (stream.add(at, piece) === null) stream.reset(known)
    }
    assert.equal(stream.text, text)
  }
})
