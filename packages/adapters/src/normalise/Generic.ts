import { type Description, headed, inWords, type Occurrence, saying, typeInWords } from "./Describe.ts"
import type { Payload } from "./Payload.ts"

/** The action in words, unless the type ends with it. */
const actionInWords = (type: string, action: string) => (action === "" || type.endsWith(action) ? "" : inWords(action))

/** What can be said of any payload, of types we do not know and of shapes we did not expect. */
export const describeGeneric = (sender: string, thing: Payload, occurrence: Occurrence): Description => {
  const { payload, type, who, where } = occurrence
  const name = thing.line("title") ?? thing.line("name") ?? thing.login() ?? thing.line("summary")
  const action = actionInWords(type, occurrence.action)
  const fields = payload.keys
  return {
    title: headed(`${sender} event ${typeInWords(type)}${action === "" ? "" : ` ${action}`}`, name),
    summary: [
      `${sender} reported the event ${typeInWords(type)}${action === "" ? "" : `, ${action},`} in ${where}, ` +
        `caused by ${who}.`,
      saying(thing.prose("body") ?? thing.prose("description"), (text) => `Text: ${text}`),
      fields.length === 0 ? undefined : `The payload has the fields ${fields.join(", ")}.`
    ],
    url: thing.url("html_url") ?? thing.url("web_url") ?? thing.url("url"),
    occurredAt: [thing.time("updated_at"), payload.time("updated_at")]
  }
}
