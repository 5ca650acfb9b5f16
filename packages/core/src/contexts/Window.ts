import type { ContextItem, ContextWindow, WindowStrategy } from "@devops-mcp/domain/AgentContext"

type Sized = Pick<ContextItem, "role" | "pinned" | "tokens">

const isKept = (item: Sized) => item.pinned || item.role === "system"

const sum = (items: Iterable<Sized>) => {
  let total = 0
  for (const item of items) total += item.tokens
  return total
}

/** Takes from newest to oldest whatever still fits; `gapless` stops at the first that does not. */
const takeNewest = <A extends Sized>(items: ReadonlyArray<A>, budget: number, gapless: boolean): ReadonlyArray<A> => {
  const taken: Array<A> = []
  let left = budget
  for (const item of items.toReversed()) {
    if (item.tokens <= left) {
      taken.push(item)
      left -= item.tokens
    } else if (gapless) break
  }
  return taken
}

/**
 * Chooses what fits `budget` tokens of `items`, which come in `seq` order, and keeps that order. Pinned and system items
 * come first, the newest of them when not all fit. Then `oldest_first` keeps a gapless newest tail of the others;
 * `preserve_user` keeps the newest user messages and fills what is left with a tail of the rest.
 */
export const selectWindow = <A extends Sized>(
  items: ReadonlyArray<A>,
  budget: number,
  strategy: WindowStrategy
): { readonly items: ReadonlyArray<A> } & Omit<ContextWindow, "items"> => {
  const chosen = new Set<A>()
  const take = (candidates: ReadonlyArray<A>, gapless: boolean) => {
    for (const item of takeNewest(candidates, budget - sum(chosen), gapless)) chosen.add(item)
  }
  take(items.filter(isKept), false)
  const others = items.filter((item) => !isKept(item))
  if (strategy === "preserve_user") {
    take(
      others.filter((item) => item.role === "user"),
      true
    )
    take(
      others.filter((item) => item.role !== "user"),
      true
    )
  } else {
    take(others, true)
  }
  const kept = items.filter((item) => chosen.has(item))
  const tokenCount = sum(kept)
  return {
    items: kept,
    tokenCount,
    omitted: { count: items.length - kept.length, tokens: sum(items) - tokenCount },
    strategy
  }
}
