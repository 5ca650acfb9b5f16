import { type GitHubDelivery, postDelivery } from "@devops-mcp/testing/GitHubDeliveries"
import { Deferred, Effect, Ref, Schedule } from "effect"

export const repositories = 20

/** The nth delivery of a repository; its id says which it is. */
const deliveryOf = (repository: number, sequence: number): GitHubDelivery => ({
  id: `r${repository}-${sequence}`,
  type: "push",
  body: JSON.stringify({
    ref: "refs/heads/main",
    before: "0".repeat(40),
    after: sequence.toString(16).padStart(40, "0"),
    commits: [{ id: sequence.toString(16).padStart(40, "0"), message: `Change ${sequence}`, author: { name: "mona" } }],
    head_commit: { id: sequence.toString(16).padStart(40, "0"), message: `Change ${sequence}` },
    repository: { full_name: `acme/r${repository}`, html_url: `https://github.com/acme/r${repository}` },
    sender: { login: "mona" }
  })
})

const patient = Schedule.spaced("150 millis")

/** Sends as GitHub would: each repository's in order, again until it is accepted, and now and then one twice. */
export const makeSender = Effect.fnUntraced(function* (options: {
  readonly count: number
  readonly secret: string
  /** Where to send next: another address each time. */
  readonly address: () => string
  /** How many are processed, and how many of what is accepted may wait for that before no more is sent. */
  readonly processed: Effect.Effect<number>
  readonly mostWaiting: number
}) {
  const { address, count, mostWaiting, processed, secret } = options
  const accepted = yield* Ref.make(new Map<string, string>())
  const refusals = yield* Ref.make(new Map<string, number>())
  const marks = new Map<number, Deferred.Deferred<void>>()

  const note = (outcome: string) =>
    Ref.update(refusals, (all) => new Map(all).set(outcome, (all.get(outcome) ?? 0) + 1))

  const post = Effect.fnUntraced(function* (delivery: GitHubDelivery) {
    const answer = yield* Effect.suspend(() => postDelivery(address(), secret, delivery)).pipe(
      Effect.tapError(() => note("no answer")),
      Effect.tap(({ status }) => (status === 202 ? Effect.void : note(String(status)))),
      Effect.filterOrFail(({ status }) => status === 202),
      Effect.retry(patient)
    )
    const id = answer.deliveryId ?? ""
    const all = yield* Ref.updateAndGet(accepted, (known) => {
      const before = known.get(delivery.id)
      // Whatever was in between: the same delivery has the same id.
      if (before !== undefined && before !== id) throw new Error(`${delivery.id} was ${before} and is ${id}`)
      return known.set(delivery.id, id)
    })
    const mark = marks.get(all.size)
    if (mark !== undefined) yield* Deferred.succeed(mark, undefined)
  })

  let done = 0
  const watch = Effect.schedule(
    Effect.map(processed, (now) => {
      done = now
    }),
    Schedule.spaced("200 millis")
  )
  const room = Ref.get(accepted).pipe(
    Effect.repeat({ schedule: Schedule.spaced("50 millis"), until: ({ size }) => size - done < mostWaiting })
  )

  const sendRepository = Effect.fnUntraced(function* (repository: number) {
    for (let sequence = 0; sequence < count / repositories; sequence++) {
      yield* room
      yield* post(deliveryOf(repository, sequence))
      // A sender that lost the answer sends again, later ones first.
      if (sequence % 10 === 9) yield* post(deliveryOf(repository, sequence - (repository % 7)))
    }
  })

  const all = Array.from({ length: repositories }, (_, repository) => repository)
  return {
    run: Effect.raceFirst(
      Effect.forEach(all, sendRepository, { concurrency: "unbounded", discard: true }),
      Effect.andThen(watch, Effect.never)
    ),
    accepted: Ref.get(accepted),
    refusals: Ref.get(refusals),
    /** When so many are accepted. To be asked before `run`. */
    reached: Effect.fnUntraced(function* (number: number) {
      const mark = yield* Deferred.make<void>()
      marks.set(number, mark)
      return Deferred.await(mark)
    })
  }
})
