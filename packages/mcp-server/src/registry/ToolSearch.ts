import { Effect } from "effect"
import { argumentsOf, type RegisteredTool } from "./RegisteredTool.ts"

/** What a word counts where it occurs: the whole name, a part of it, a text about the tool, an argument's name. */
const weights = { name: 5, namePart: 2.5, description: 2, prefix: 1.5, argument: 1 }

/** The usual constants of BM25: how soon more occurrences stop to count, and how much long texts are discounted. */
const saturation = 1.2
const lengthDiscount = 0.75

/** Words of a query, and characters of a description, that are looked at. */
const maxQueryWords = 32
const maxDescription = 4_000

/** Shorter beginnings of words are those of too many. */
const shortestPrefix = 3

/** Tools taken to pieces without letting others work in between. */
const toolsAtOnce = 200

/** English plurals fall together with their singulars; it need not be right, only the same on both sides. */
const stem = (word: string): string => {
  if (word.length > 4 && word.endsWith("ies")) return `${word.slice(0, -3)}y`
  return word.length > 3 && word.endsWith("s") && !word.endsWith("ss") ? word.slice(0, -1) : word
}

const wordsOf = (text: string): ReadonlyArray<string> =>
  text
    .replace(/(\p{Ll}|\p{N})(\p{Lu})/gu, "$1 $2")
    .toLowerCase()
    .match(/[\p{L}\p{N}]+/gu)
    ?.map(stem) ?? []

/** A tool as the search sees it: what each word in it counts, and how long it is. */
interface Entry {
  readonly weights: ReadonlyArray<readonly [string, number]>
  readonly nameParts: ReadonlySet<string>
  readonly length: number
}

const entryOf = ({ definition }: RegisteredTool): Entry => {
  const { description, inputSchema, name, title } = definition
  const weightOf = new Map<string, number>()
  const nameParts = wordsOf(name)
  const texts = wordsOf(`${title} ${description.slice(0, maxDescription)}`)
  const parameters = argumentsOf(inputSchema).flatMap(wordsOf)
  const add = (weight: number) => (word: string) => weightOf.set(word, (weightOf.get(word) ?? 0) + weight)
  add(weights.name)(name.toLowerCase())
  nameParts.forEach(add(weights.namePart))
  texts.forEach(add(weights.description))
  parameters.forEach(add(weights.argument))
  const length = nameParts.length + texts.length + parameters.length
  return { weights: [...weightOf], nameParts: new Set(nameParts), length }
}

/** Tools are made once and are in many catalogues, so each is taken to pieces once. */
const entries = new WeakMap<RegisteredTool, Entry>()

const entryFor = (tool: RegisteredTool): Entry => {
  const known = entries.get(tool)
  if (known !== undefined) return known
  const entry = entryOf(tool)
  entries.set(tool, entry)
  return entry
}

/** Words as they are written, for whole names, and their parts. */
const termsOf = (query: string): ReadonlyArray<string> => {
  const written = query.toLowerCase().split(/\s+/)
  return [...new Set([...written.filter((word) => word.includes("_")), ...wordsOf(query)])].slice(0, maxQueryWords)
}

export interface ToolHit {
  readonly tool: RegisteredTool
  readonly score: number
}

export interface ToolIndex {
  /** The tools that have words of the query, best first; equal ones stay in their order. */
  readonly search: (query: string, limit: number, accept?: (tool: RegisteredTool) => boolean) => ReadonlyArray<ToolHit>
}

const listIn = <A>(lists: Map<string, Array<A>>, word: string): Array<A> => {
  const known = lists.get(word)
  if (known !== undefined) return known
  const list: Array<A> = []
  lists.set(word, list)
  return list
}

/** A tool that has a word, by its position, and what the word counts in it. */
interface Occurrence {
  readonly position: number
  readonly weight: number
}

/**
 * Searches tools by BM25 over weighted fields. How rare a word is depends on the given tools alone, so nothing shows of
 * tools that the caller cannot see.
 */
export const makeToolIndex = Effect.fnUntraced(function* (tools: ReadonlyArray<RegisteredTool>) {
  const occurrences = new Map<string, Array<Occurrence>>()
  const named = new Map<string, Array<Occurrence>>()
  const lengths = new Float64Array(tools.length)
  for (const [position, tool] of tools.entries()) {
    if (position % toolsAtOnce === toolsAtOnce - 1) yield* Effect.yieldNow
    const entry = entryFor(tool)
    for (const [word, weight] of entry.weights) listIn(occurrences, word).push({ position, weight })
    for (const part of entry.nameParts) listIn(named, part).push({ position, weight: weights.prefix })
    lengths[position] = entry.length
  }
  const averageLength = lengths.reduce((sum, length) => sum + length, 0) / Math.max(tools.length, 1)

  /** Tools that have the term as a word, and then those where it begins a part of the name. */
  const listsFor = (term: string): ReadonlyArray<ReadonlyArray<Occurrence>> => {
    const whole = occurrences.get(term) ?? []
    if (term.length < shortestPrefix) return [whole]
    return [whole, ...[...named].filter(([part]) => part.startsWith(term)).map(([, list]) => list)]
  }

  const scoresOf = (query: string): Float64Array => {
    const scores = new Float64Array(tools.length)
    for (const term of termsOf(query)) {
      const seen = new Uint8Array(tools.length)
      const found = listsFor(term).flatMap((list) =>
        list.filter(({ position }) => {
          const isNew = seen[position] === 0
          seen[position] = 1
          return isNew
        })
      )
      const rarity = Math.log(1 + (tools.length - found.length + 0.5) / (found.length + 0.5))
      for (const { position, weight } of found) {
        const relativeLength = (lengths[position] ?? 0) / averageLength
        const discount = saturation * (1 - lengthDiscount + lengthDiscount * relativeLength)
        scores[position] = (scores[position] ?? 0) + (rarity * weight * (saturation + 1)) / (weight + discount)
      }
    }
    return scores
  }

  const index: ToolIndex = {
    search: (query, limit, accept = () => true) => {
      const best: Array<ToolHit> = []
      for (const [position, score] of scoresOf(query).entries()) {
        const tool = tools[position]
        const last = best.length < limit ? 0 : (best.at(-1)?.score ?? Infinity)
        if (score <= last || tool === undefined || !accept(tool)) continue
        const place = best.findLastIndex((hit) => hit.score >= score) + 1
        best.splice(place, 0, { tool, score })
        if (best.length > limit) best.pop()
      }
      return best
    }
  }
  return index
})
