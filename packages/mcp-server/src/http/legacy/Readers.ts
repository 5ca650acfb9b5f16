import type { McpSessionId } from "@devops-mcp/domain/Ids"
import { Effect } from "effect"
import { SecureRandom } from "effect/crypto"
import type { SessionBus } from "./SessionBus.ts"

interface Reader {
  readonly name: string
  readonly sessionId: McpSessionId
  readonly end: () => void
}

/** Who reads which stream on this replica. A stream has one reader among all replicas: the newest. */
export const makeReaders = Effect.fnUntraced(function* (bus: SessionBus) {
  const random = yield* SecureRandom.SecureRandom
  const readers = new Map<string, Reader>()

  const displace = (stream: string, name: string) => {
    const present = readers.get(stream)
    if (present === undefined || present.name === name) return
    readers.delete(stream)
    present.end()
  }

  /** For a stream that nobody else can know yet. `leave` is for who stops reading of its own accord. */
  const add = Effect.fnUntraced(function* (sessionId: McpSessionId, stream: string, end: () => void) {
    const name = yield* random.uuidV4()
    displace(stream, name)
    readers.set(stream, { name, sessionId, end })
    const leave = Effect.sync(() => {
      if (readers.get(stream)?.name === name) readers.delete(stream)
    })
    return { name, leave }
  })

  return {
    add,
    /** Ends whoever reads the stream now, here or elsewhere. */
    take: Effect.fnUntraced(function* (sessionId: McpSessionId, stream: string, end: () => void) {
      const added = yield* add(sessionId, stream, end)
      yield* bus.tell({ _tag: "Taken", stream, reader: added.name })
      return added
    }),
    displace,
    endSession: (sessionId: McpSessionId) => {
      for (const [stream, reader] of readers) {
        if (reader.sessionId === sessionId) displace(stream, "")
      }
    }
  }
})
export type Readers = Effect.Success<ReturnType<typeof makeReaders>>
