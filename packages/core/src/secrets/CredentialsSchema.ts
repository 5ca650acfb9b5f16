import { InvalidInput } from "@devops-mcp/domain/Errors"
import { Effect, JsonSchema, Redacted, Schema, SchemaIssue, SchemaRepresentation } from "effect"
import type { ToolAdapter, ToolCredentials } from "../ports/ToolAdapter.ts"

/** Characters of a tool's credentials, written as JSON. */
const longestCredentials = 65_536

const unknownMember = "There is a member that this kind of tool does not know"

/** Says what is expected where, and nothing of what is there: that is a secret, whatever is wrong with it. */
const formatIssues = SchemaIssue.makeFormatterStandardSchemaV1({
  leafHook: (issue) => {
    if (issue._tag === "MissingKey") return "This is missing"
    return issue._tag === "UnexpectedKey" ? unknownMember : SchemaIssue.defaultLeafHook(issue)
  }
})

const refused = (pointer: string, detail: string) => new InvalidInput({ pointer, detail })

const firstFault = (issue: SchemaIssue.Issue) => {
  const [fault] = formatIssues(issue).issues
  const path = (fault?.path ?? []).map((segment) => String(typeof segment === "object" ? segment.key : segment))
  // A name that nobody expects may be a secret in the wrong place.
  const known = fault?.message === unknownMember ? path.slice(0, -1) : path
  return refused(["/credentials", ...known].join("/"), fault?.message ?? "This does not have the expected shape")
}

/** Credentials are what an adapter's JSON Schema says, and no more than that. Its patterns are ours, so they are safe. */
const decoderOf = (schema: NonNullable<ToolAdapter["credentialsSchema"]>) =>
  Schema.decodeUnknownEffect(
    Schema.toType(
      SchemaRepresentation.fromJsonSchemaDocument(JsonSchema.fromSchemaDraft2020_12(schema), { patterns: "apply" })
    ),
    { onExcessProperty: "error" }
  )

const encode = Schema.encodeEffect(Schema.fromJsonString(Schema.JsonObject))

/** The credentials as the text to seal, when the adapter takes credentials and these are such. */
export const checkedCredentials = Effect.fnUntraced(function* (
  { credentialsSchema, kind }: ToolAdapter,
  credentials: ToolCredentials
) {
  if (credentialsSchema === undefined) {
    return yield* refused("/credentials", `A tool of the kind '${kind}' takes no credentials`)
  }
  const given = Redacted.value(credentials)
  yield* decoderOf(credentialsSchema)(given).pipe(Effect.mapError((error) => firstFault(error.issue)))
  const text = yield* Effect.orDie(encode(given))
  if (text.length > longestCredentials) {
    return yield* refused("/credentials", `Credentials have at most ${longestCredentials} characters`)
  }
  return Redacted.make(text)
})
