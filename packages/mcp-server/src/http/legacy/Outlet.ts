import { type Cause, Effect, Queue, Stream } from "effect"

/** What may wait for a client that reads slowly, in frames and characters. */
const longestBacklog = { frames: 256, characters: 4 * 1024 * 1024 }

/** The writing end of one HTTP response. */
export interface Outlet {
  /** False when the client is too slow or gone; then it takes no more. */
  readonly write: (text: string) => boolean
  readonly end: () => void
  readonly frames: Stream.Stream<string>
}

export const makeOutlet = Effect.map(Queue.dropping<string, Cause.Done>(longestBacklog.frames), (queue): Outlet => {
  let waiting = 0
  return {
    write: (text) => {
      // One text is always taken, however long it is.
      const fits = waiting === 0 || waiting + text.length <= longestBacklog.characters
      if (fits && Queue.offerUnsafe(queue, text)) {
        waiting += text.length
        return true
      }
      Queue.endUnsafe(queue)
      return false
    },
    end: () => void Queue.endUnsafe(queue),
    frames: Stream.tap(Stream.fromQueue(queue), (text) =>
      Effect.sync(() => {
        waiting -= text.length
      })
    )
  }
})
