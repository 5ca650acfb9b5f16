import { type Description, headed, inWords, type Occurrence, saying } from "./Describe.ts"

/** What can be said of any payload, of types we do not know and of shapes we did not expect. */
export const describeGeneric = (type: string, { payload, action, who, where }: Occurrence): Description => {
  const thing = payload.at(type)
  const name = thing.line("title") ?? thing.line("name") ?? thing.login()
  const fields = payload.keys
  return {
    title: headed(`GitHub event ${inWords(type)}${action === "" ? "" : ` ${inWords(action)}`}`, name),
    summary: [
      `GitHub reported the event ${inWords(type)}${action === "" ? "" : `, ${inWords(action)},`} in ${where}, ` +
        `caused by ${who}.`,
      saying(thing.prose("body") ?? thing.prose("description"), (text) => `Text: ${text}`),
      fields.length === 0 ? undefined : `The payload has the fields ${fields.join(", ")}.`
    ],
    url: thing.url("html_url"),
    occurredAt: [thing.time("updated_at"), payload.time("updated_at")]
  }
}
