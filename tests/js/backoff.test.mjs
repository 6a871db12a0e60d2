// The waits between two attempts to reconnect.
import assert from "node:assert/strict"
import { test } from "node:test"

import { Backoff } from "../../static/js/elements/chat_socket.js"

const waits = (backoff, count) => Array.from({ length: count }, () => backoff.next())

test("the waits double up to the most", () => {
  assert.deepEqual(waits(new Backoff({ random: () => 1 }), 7), [500, 1000, 2000, 4000, 8000, 15000, 15000])
})

test("chance takes up to half of a wait away", () => {
  assert.deepEqual(waits(new Backoff({ random: () => 0 }), 3), [250, 500, 1000])
})

test("after a success it begins again", () => {
  const backoff = new Backoff({ random: () => 1 })
  waits(backoff, 5)
  backoff.reset()
  assert.equal(backoff.next(), 500)
})

test("a thousand failures still wait a bounded time", () => {
  assert.equal(Math.max(...waits(new Backoff({ random: () => 1 }), 1000)), 15000)
})
