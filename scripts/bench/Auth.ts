import { Array, Duration, Effect, FileSystem, Schema } from "effect"
import { HttpClient } from "effect/http"
import { measure, quartersOf, rounds, type Spread, type Subject, warmUp } from "./Rounds.ts"
import { awaitIdle, type Settings, startAuthServer } from "./Server.ts"

/** What a request costs in microseconds of processor time, and how much of it the same route does not cost open. */
export interface AuthCost {
  readonly name: string
  readonly micros: Spread
  readonly beyondOpen: Spread
}

const decodeSubjects = Schema.decodeUnknownEffect(
  Schema.fromJsonString(
    Schema.NonEmptyArray(
      Schema.Struct({ name: Schema.String, url: Schema.URLFromString, token: Schema.optionalKey(Schema.String) })
    )
  )
)

/**
 * Each round is cut into so many. What else the machine does comes and goes: the shorter a round, the more alike it meets
 * the open route and the guarded ones, and the middle of many differences is what stays.
 */
const cut = 5

/** From where nobody counts as being on this machine, so that the limit of addresses is met too. */
const client = { "x-forwarded-for": "192.0.2.1" }

/** The same route open and behind more and more of what stands before every route, round after round. */
export const measureAuth = Effect.fnUntraced(function* (settings: Settings, duration: Duration.Duration) {
  const fs = yield* FileSystem.FileSystem
  const home = yield* fs.makeTempDirectoryScoped({ prefix: "devops-mcp-bench-" })
  const server = yield* startAuthServer(settings, home)
  const response = yield* HttpClient.get(`${server.url}/subjects`)
  const subjects = Array.map(yield* decodeSubjects(yield* response.text), ({ name, token, url }): Subject => ({
    name,
    server,
    requests: [
      {
        url: new URL("/read", url),
        headers: token === undefined ? client : { ...client, authorization: `Bearer ${token}` },
        expected: `"ok":true`
      }
    ]
  }))
  yield* Effect.forEach(subjects, (subject) => warmUp(subject, duration), { discard: true })
  yield* awaitIdle(server)
  const round = Effect.forEach(subjects, (subject) =>
    Effect.map(measure(subject, Duration.divideUnsafe(duration, cut)), ({ perCpuSecond }) => 1e6 / perCpuSecond)
  )
  const samples = Array.prepend(yield* Effect.replicateEffect(round, rounds * cut - 1), yield* round)
  return Array.map(subjects, ({ name }, index): AuthCost => {
    const micros = Array.map(samples, (sample) => sample[index] ?? Number.NaN)
    const beyond = Array.map(samples, (sample) => (sample[index] ?? Number.NaN) - sample[0])
    return { name, micros: quartersOf(micros), beyondOpen: quartersOf(beyond) }
  })
}, Effect.scoped)
