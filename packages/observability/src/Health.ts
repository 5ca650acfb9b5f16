import { Context, Duration, Effect, Layer, type Scope } from "effect"

/** One thing that a program needs. `required` false: without it the program still serves, with less. */
export interface HealthCheck {
  readonly name: string
  readonly required: boolean
  /** Succeeds when the dependency answers; the failure's message is shown to operators, so it holds no secret. */
  readonly check: Effect.Effect<void, { readonly message: string }>
}

export interface CheckReport {
  readonly name: string
  readonly required: boolean
  readonly status: "ok" | "failing"
  readonly detail?: string
}

export interface HealthReport {
  /** `ready` unless something required fails. */
  readonly status: "ready" | "not_ready"
  readonly checks: ReadonlyArray<CheckReport>
}

/** A dependency that has not answered by then counts as failing. */
const checkTimeout = Duration.seconds(2)

/** Where implementations say how to tell whether they work, and where `/readyz` and `doctor` ask. */
export class Health extends Context.Service<
  Health,
  {
    /** Registered until the scope closes. */
    readonly register: (check: HealthCheck) => Effect.Effect<void, never, Scope.Scope>
    readonly report: Effect.Effect<HealthReport>
  }
>()("@devops-mcp/observability/Health") {
  static readonly layer = Layer.sync(Health, () => {
    const checks = new Set<HealthCheck>()

    const register = (check: HealthCheck) =>
      Effect.acquireRelease(
        Effect.sync(() => {
          checks.add(check)
        }),
        () => Effect.sync(() => checks.delete(check))
      )

    const run = ({ check, name, required }: HealthCheck): Effect.Effect<CheckReport> =>
      check.pipe(
        Effect.timeoutOrElse({
          duration: checkTimeout,
          orElse: () => Effect.fail({ message: `No answer within ${Duration.format(checkTimeout)}` })
        }),
        Effect.match({
          onSuccess: () => ({ name, required, status: "ok" as const }),
          onFailure: ({ message }) => ({ name, required, status: "failing" as const, detail: message })
        })
      )

    const report = Effect.suspend(() => Effect.forEach([...checks], run, { concurrency: "unbounded" })).pipe(
      Effect.map((results): HealthReport => ({
        status: results.some((result) => result.required && result.status === "failing") ? "not_ready" : "ready",
        checks: results
      })),
      Effect.withSpan("Health.report")
    )

    return Health.of({ register, report })
  })
}
