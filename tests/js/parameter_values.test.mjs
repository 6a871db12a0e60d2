// Values of parameters: what keeps to its rule, what is sent, and what differs from the documented default.
import assert from "node:assert/strict"
import { test } from "node:test"

import { differs, keeps, valueOf } from "../../static/js/models/parameter_values.js"

const none = { least: NaN, most: NaN, above: NaN, below: NaN, lines: NaN, longest: NaN, standard: "" }
const topP = { ...none, kind: "number", above: 0, most: 1, standard: "1" }
const topK = { ...none, kind: "integer", least: 0, most: 999, standard: "0" }
const penalty = { ...none, kind: "number", least: -2, most: 2, standard: "0" }
const stop = { ...none, kind: "lines", lines: 3, longest: 5 }

const kept = (rule, texts) => texts.filter((text) => keeps(rule, text))

test("bounds are kept, the exclusive ones too", () => {
  assert.deepEqual(kept(topP, ["0", "-0.1", "0.0001", "1", "1.01"]), ["0.0001", "1"])
  assert.deepEqual(kept({ ...none, kind: "number", below: 5 }, ["4.99", "5", "-1000"]), ["4.99", "-1000"])
  assert.deepEqual(kept(penalty, ["-2", "-2.1", "2", "2.0001"]), ["-2", "2"])
})

test("a whole number is one, and no larger than a browser can count", () => {
  assert.deepEqual(kept(topK, ["0", "999", "1000", "-1", "4.5", "1e2"]), ["0", "999", "1e2"])
  assert.deepEqual(kept({ ...none, kind: "integer" }, ["9007199254740991", "9007199254740992"]), ["9007199254740991"])
})

test("nothing typed is always good, what is no number never", () => {
  assert.deepEqual(kept(topP, ["", "not a number", "1e400"]), [""])
  assert.equal(keeps({ ...none, kind: "choice" }, "high"), true)
})

test("lines are counted without the empty ones, and characters as people count them", () => {
  assert.deepEqual(kept(stop, ["a\n\nb\nc\n", "a\nb\nc\nd", "😀😀😀😀😀", "😀😀😀😀😀😀"]), ["a\n\nb\nc\n", "😀😀😀😀😀"])
})

test("what is sent has its type", () => {
  assert.deepEqual(valueOf("number", "0.5"), 0.5)
  assert.deepEqual(valueOf("integer", "1e2"), 100)
  assert.deepEqual(valueOf("choice", "high"), "high")
  assert.deepEqual(valueOf("lines", "END\n\n ###"), ["END", " ###"])
  for (const kind of ["number", "integer", "choice", "lines"]) assert.equal(valueOf(kind, ""), null)
  assert.equal(valueOf("lines", "\n"), null)
})

test("the default written otherwise is the default", () => {
  const differing = ["", "1", "1.0", "0.5"].filter((text) => differs(topP, text))
  assert.deepEqual(differing, ["0.5"])
  assert.equal(differs({ ...none, kind: "choice" }, "high"), true)
  assert.equal(differs(stop, "END"), true)
})
