type Json = Record<string, unknown>

const isObject = (value: unknown): value is Json => typeof value === "object" && value !== null && !Array.isArray(value)

const mapValues = (value: unknown, map: (value: unknown, key: string) => unknown): Json =>
  isObject(value) ? Object.fromEntries(Object.entries(value).map(([key, item]) => [key, map(item, key)])) : {}

/** What our query parameters are to clients; the generator only knows that all of them come as text. */
const parameters: Readonly<Record<string, Json>> = {
  limit: { type: "integer", minimum: 1, maximum: 200, default: 50 },
  discarded: { type: "boolean", default: false },
  maxTokens: { type: "integer", minimum: 1 },
  since: { type: "string", format: "date-time" },
  until: { type: "string", format: "date-time" }
}

const plainName = (name: string) => name.replace(/Encoded$/, "")

/**
 * Names schemas as people do, without the generator's `Encoded`, and lets objects have members that this version does
 * not know: requests may hold some, which are ignored, and answers may gain some.
 */
const plain = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(plain)
  if (!isObject(value)) return value
  const { additionalProperties, ...rest } = value
  const open = additionalProperties === undefined || additionalProperties === false ? {} : { additionalProperties }
  const members = mapValues({ ...rest, ...open }, plain)
  if (typeof members["$ref"] === "string") return { ...members, $ref: plainName(members["$ref"]) }
  if (members["in"] === "query" && typeof members["name"] === "string") {
    return { ...members, schema: parameters[members["name"]] ?? members["schema"] }
  }
  return members
}

const allowsNull = (media: unknown) => {
  const choices = isObject(media) && isObject(media["schema"]) ? media["schema"]["anyOf"] : undefined
  return Array.isArray(choices) && choices.some((choice) => isObject(choice) && choice["type"] === "null")
}

/** What may be null may be left out, which the generator does not know of bodies. */
const optional = (body: unknown) =>
  isObject(body) && isObject(body["content"]) && Object.values(body["content"]).some(allowsNull)
    ? { ...body, required: false }
    : body

const header = (description: string) => ({ description, schema: { type: "integer", minimum: 0 } })

/** What answers to a known caller say of their limits. */
const allowance = {
  "RateLimit-Limit": header("Requests that the limit with the least left allows a minute"),
  "RateLimit-Remaining": header("Requests that are left of it"),
  "RateLimit-Reset": header("Seconds until all of it is there again")
}

const retryAfter = { "Retry-After": header("Seconds after which to try again") }

const mayRetry: ReadonlySet<string> = new Set(["409", "429", "503"])

/** With the headers that the middlewares add to answers. */
const limited = (response: unknown, status: string) =>
  isObject(response)
    ? {
        ...response,
        headers: {
          ...mapValues(response["headers"], (each) => each),
          // Nobody knows the caller of a 401.
          ...(status === "401" ? {} : allowance),
          ...(mayRetry.has(status) ? retryAfter : {})
        }
      }
    : response

/**
 * Without its own `security`, which the generator leaves empty because our middleware is none of its schemes, and with what
 * our middlewares add to its answers.
 */
const inherited = (operation: unknown) => {
  if (!isObject(operation)) return operation
  const { requestBody, responses, security: _, ...rest } = operation
  return {
    ...rest,
    ...(requestBody === undefined ? {} : { requestBody: optional(requestBody) }),
    ...(responses === undefined ? {} : { responses: mapValues(responses, limited) })
  }
}

const probe = (operationId: string, summary: string, statuses: ReadonlyArray<number>, type: string) => ({
  get: {
    tags: ["Health"],
    operationId,
    summary,
    security: [],
    responses: Object.fromEntries(statuses.map((status) => [status, { description: summary, content: { [type]: {} } }]))
  }
})

/** What every program offers beside the API; the routes are in observability. */
const probes = {
  "/livez": probe("health.live", "The program runs", [200], "application/json"),
  "/readyz": probe("health.ready", "The state of each thing that is needed", [200, 503], "application/json"),
  "/metrics": probe("health.metrics", "Metrics for Prometheus", [200], "text/plain")
}

/** Completes the derived document with what the derivation cannot know: credentials, health, friendlier schemas. */
export const complete = (document: Json): Json => {
  const { components, paths, tags, ...rest } = document
  const { schemas, ...others } = isObject(components) ? components : {}
  return {
    ...rest,
    paths: {
      ...mapValues(plain(paths), (item, path) => (path.startsWith("/api/") ? mapValues(item, inherited) : item)),
      ...probes
    },
    components: {
      ...others,
      schemas: Object.fromEntries(
        Object.entries(mapValues(schemas, plain)).map(([name, schema]) => [plainName(name), schema])
      ),
      securitySchemes: {
        bearer: { type: "http", scheme: "bearer", description: "API key (dmk_…)" },
        apiKey: { type: "apiKey", in: "header", name: "X-API-Key" }
      }
    },
    security: [{ bearer: [] }, { apiKey: [] }],
    tags: [
      ...(Array.isArray(tags) ? tags : []),
      { name: "Health", description: "Whether the program runs and has what it needs" }
    ]
  }
}
