import { Effect, Queue, type Scope, Semaphore, Stream } from "effect"

/** Messages a slow subscriber may have waiting; beyond, it loses its oldest, as the bus promises at most once. */
const waitingMessages = 1_024

/** The subscribers of this process, by channel. */
export interface Listeners {
  readonly channels: () => ReadonlyArray<string>
  readonly deliver: (channel: string, message: string) => void
  /** Until the scope closes. `first` runs when the channel had no listener before, `last` when it has none after. */
  readonly listen: <E>(
    channel: string,
    hooks: { readonly first: Effect.Effect<void, E>; readonly last: Effect.Effect<void> }
  ) => Effect.Effect<Stream.Stream<string>, E, Scope.Scope>
}

/**
 * Hands each message to every listener of its channel, never waiting for one. Listeners come and go one at a time, so
 * that none is there before the first one's hook has succeeded.
 */
export const make = (): Listeners => {
  const turn = Semaphore.makeUnsafe(1)
  const channels = new Map<string, Set<Queue.Queue<string>>>()

  const add = (channel: string, queue: Queue.Queue<string>) => {
    const queues = channels.get(channel)
    if (queues === undefined) channels.set(channel, new Set([queue]))
    else queues.add(queue)
    return queues === undefined
  }
  const remove = (channel: string, queue: Queue.Queue<string>) => {
    const queues = channels.get(channel)
    queues?.delete(queue)
    if (queues?.size !== 0) return false
    return channels.delete(channel)
  }

  return {
    channels: () => [...channels.keys()],
    deliver: (channel, message) => {
      for (const queue of channels.get(channel) ?? []) Queue.offerUnsafe(queue, message)
    },
    listen: Effect.fnUntraced(function* (channel, hooks) {
      const queue = yield* Effect.acquireRelease(Queue.sliding<string>(waitingMessages), Queue.shutdown)
      yield* Effect.acquireRelease(
        Effect.suspend(() => (add(channel, queue) ? hooks.first : Effect.void)).pipe(
          Effect.onError(() => Effect.sync(() => remove(channel, queue))),
          turn.withPermit
        ),
        () => Effect.suspend(() => (remove(channel, queue) ? hooks.last : Effect.void)).pipe(turn.withPermit)
      )
      return Stream.fromQueue(queue)
    })
  }
}
