import { Cache } from "@devops-mcp/core/ports/Cache"
import { Clock, Effect, Layer, Option } from "effect"
import { lifetime } from "./Lifetime.ts"

interface Entry {
  readonly value: string
  readonly expiresAt: number
}

/** What the cache holds at most: so many entries, and so many characters in their keys and values. */
export interface Capacity {
  readonly entries: number
  readonly characters: number
}

const defaultCapacity: Capacity = { entries: 100_000, characters: 64 * 1024 * 1024 }

/** A `Map` keeps the order of insertion, and each use inserts anew: the first entry is the one unused for longest. */
const make = ({ characters, entries }: Capacity) => {
  const kept = new Map<string, Entry>()
  let size = 0

  const remove = (key: string) => {
    const entry = kept.get(key)
    if (entry === undefined) return
    kept.delete(key)
    size -= key.length + entry.value.length
  }
  const insert = (key: string, entry: Entry) => {
    remove(key)
    kept.set(key, entry)
    size += key.length + entry.value.length
    for (const oldest of kept.keys()) {
      if (kept.size <= entries && size <= characters) break
      remove(oldest)
    }
  }
  const find = (key: string, now: number) => {
    const entry = kept.get(key)
    if (entry === undefined) return undefined
    if (entry.expiresAt > now) return entry
    remove(key)
    return undefined
  }

  return Cache.of({
    get: Effect.fn("Cache.get")(function* (key) {
      const entry = find(key, yield* Clock.currentTimeMillis)
      if (entry === undefined) return Option.none()
      insert(key, entry)
      return Option.some(entry.value)
    }),
    set: Effect.fn("Cache.set")(function* (key, value, timeToLive) {
      insert(key, { value, expiresAt: (yield* Clock.currentTimeMillis) + lifetime(timeToLive) })
    }),
    setIfAbsent: Effect.fn("Cache.setIfAbsent")(function* (key, value, timeToLive) {
      const now = yield* Clock.currentTimeMillis
      if (find(key, now) !== undefined) return false
      insert(key, { value, expiresAt: now + lifetime(timeToLive) })
      return true
    }),
    delete: Effect.fn("Cache.delete")(function* (key) {
      yield* Effect.sync(() => remove(key))
    })
  })
}

/** A cache in this process that drops what was unused for longest when it is full. */
export const layerCapacity = (capacity: Capacity): Layer.Layer<Cache> => Layer.sync(Cache, () => make(capacity))

/** A cache in this process, of at most 100,000 entries and 64 million characters. */
export const layer: Layer.Layer<Cache> = layerCapacity(defaultCapacity)
