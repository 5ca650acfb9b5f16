import { selectWindow } from "@devops-mcp/core/contexts/Window"
import { ItemRole, WindowStrategy } from "@devops-mcp/domain/AgentContext"
import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"

const Item = Schema.Struct({
  role: ItemRole,
  pinned: Schema.Boolean,
  tokens: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 40 }))
})
const Items = Schema.Array(Item).check(Schema.isMaxLength(30))
const Budget = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 400 }))
const inputs = { items: Items, budget: Budget, strategy: WindowStrategy }

type Item = typeof Item.Type

const total = (items: ReadonlyArray<Item>) => items.reduce((sum, item) => sum + item.tokens, 0)
const isProtected = (item: Item) => item.pinned || item.role === "system"

/** Each item as its own object, so that equal ones can be told apart. */
const distinct = (items: ReadonlyArray<Item>) => items.map((item) => ({ ...item }))

/** A gapless newest tail: what was kept is exactly the last of the candidates, and the next one does not fit. */
const assertNewestTail = (candidates: ReadonlyArray<Item>, kept: ReadonlySet<Item>, budget: number) => {
  const tail = candidates.filter((item) => kept.has(item))
  assert.deepStrictEqual(tail, candidates.slice(candidates.length - tail.length))
  const next = candidates.at(-tail.length - 1)
  if (next !== undefined) assert.isAbove(total(tail) + next.tokens, budget)
}

describe("selectWindow", () => {
  it.prop("never exceeds the budget, keeps the order, and accounts for every item and token", inputs, (input) => {
    const items = distinct(input.items)
    const window = selectWindow(items, input.budget, input.strategy)
    assert.isAtMost(window.tokenCount, input.budget)
    assert.strictEqual(window.tokenCount, total(window.items))
    const places = window.items.map((item) => items.indexOf(item))
    assert.deepStrictEqual(
      places,
      [...new Set(places)].toSorted((a, b) => a - b)
    )
    assert.isTrue(places.every((place) => place >= 0))
    assert.strictEqual(window.omitted.count + window.items.length, items.length)
    assert.strictEqual(window.omitted.tokens + window.tokenCount, total(items))
    assert.strictEqual(window.strategy, input.strategy)
  })

  it.prop("keeps everything when everything fits", inputs, (input) => {
    const items = distinct(input.items)
    const window = selectWindow(items, total(items), input.strategy)
    assert.deepStrictEqual(window.items, items)
    assert.deepStrictEqual(window.omitted, { count: 0, tokens: 0 })
  })

  it.prop(
    "keeps all pinned and system items while they fit, and leaves one out only for want of room",
    inputs,
    (input) => {
      const items = distinct(input.items)
      const kept = new Set<Item>(selectWindow(items, input.budget, input.strategy).items)
      const guarded = items.filter(isProtected)
      if (total(guarded) <= input.budget) assert.isTrue(guarded.every((item) => kept.has(item)))
      guarded.forEach((item, index) => {
        const newer = guarded.slice(index + 1).filter((other) => kept.has(other))
        if (!kept.has(item)) assert.isAbove(total(newer) + item.tokens, input.budget)
      })
    }
  )

  it.prop("oldest_first keeps a gapless newest tail of the others", inputs, (input) => {
    const items = distinct(input.items)
    const kept = new Set<Item>(selectWindow(items, input.budget, "oldest_first").items)
    const left = input.budget - total(items.filter((item) => isProtected(item) && kept.has(item)))
    assertNewestTail(
      items.filter((item) => !isProtected(item)),
      kept,
      left
    )
  })

  it.prop("preserve_user keeps user messages before any other, a gapless newest tail of each", inputs, (input) => {
    const items = distinct(input.items)
    const kept = new Set<Item>(selectWindow(items, input.budget, "preserve_user").items)
    const keptTokens = (of: (item: Item) => boolean) => total(items.filter((item) => of(item) && kept.has(item)))
    const isUser = (item: Item) => !isProtected(item) && item.role === "user"
    const isOther = (item: Item) => !isProtected(item) && item.role !== "user"
    const forUsers = input.budget - keptTokens(isProtected)
    assertNewestTail(items.filter(isUser), kept, forUsers)
    assertNewestTail(items.filter(isOther), kept, forUsers - keptTokens(isUser))
  })

  it("leaves the oldest out first", () => {
    const message = (role: ItemRole, tokens: number, pinned = false) => ({ role, tokens, pinned })
    const items = [
      message("system", 5),
      message("user", 10),
      message("assistant", 10),
      message("tool", 10, true),
      message("user", 10),
      message("assistant", 10)
    ]
    const places = (budget: number, strategy: WindowStrategy) =>
      selectWindow(items, budget, strategy).items.map((item) => items.indexOf(item))
    assert.deepStrictEqual(places(35, "oldest_first"), [0, 3, 4, 5])
    assert.deepStrictEqual(places(35, "preserve_user"), [0, 1, 3, 4])
    assert.deepStrictEqual(places(14, "oldest_first"), [3])
    assert.deepStrictEqual(places(4, "preserve_user"), [])
  })
})
