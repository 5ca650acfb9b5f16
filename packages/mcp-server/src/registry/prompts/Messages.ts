import { TokenCounter } from "@devops-mcp/core/ports/TokenCounter"
import type { Event } from "@devops-mcp/domain/Event"
import { Effect } from "effect"
import { encodeJson } from "../../edge/Json.ts"
import type { PromptMessage, PromptOutcome } from "../Prompts.ts"
import type { ContentBlock } from "../RegisteredTool.ts"
import { eventEntry, eventText, eventUri } from "../resources/EventResources.ts"
import { resultTokenLimit } from "../ResultLimit.ts"

/** Events that are embedded at most; those after them are links. */
const mostEmbedded = 40

/** What a prompt tells the model of one thing: at its best whole, else by a link. */
export interface Material {
  readonly uri: string
  readonly whole: ContentBlock
  readonly link: ContentBlock
}

export const ofUser = (content: ContentBlock): PromptMessage => ({ role: "user", content })

export const text = (lines: ReadonlyArray<string>): ContentBlock => ({ type: "text", text: lines.join("\n") })

export const embedded = (uri: string, mimeType: string, body: string): ContentBlock => ({
  type: "resource",
  resource: { uri, mimeType, text: body }
})

export const eventMaterial = (event: Event): Effect.Effect<Material> =>
  Effect.map(eventText(event), (body) => ({
    uri: eventUri(event.id),
    whole: embedded(eventUri(event.id), "application/json", body),
    link: { type: "resource_link", ...eventEntry(event) }
  }))

export interface Frame {
  readonly description: string
  readonly opening: ReadonlyArray<string>
  /** `left` of the material are neither whole nor linked in the messages. */
  readonly closing: (left: number) => ReadonlyArray<string>
}

/**
 * Puts material, the most important first, between an opening and the closing instructions. All messages together stay
 * under the limit of one result: what does not fit whole is linked, what does not fit as a link is counted.
 */
export const makeAssemble = Effect.map(
  TokenCounter,
  (counter) =>
    ({ closing, description, opening }: Frame, material: ReadonlyArray<Material>): PromptOutcome => {
      const sizeOf = (message: PromptMessage) => counter.count(encodeJson(message)) + 1
      const first = ofUser(text(opening))
      const frame = sizeOf(first) + sizeOf(ofUser(text(closing(material.length))))
      // Digits and brackets between the messages are not counted one by one.
      let left = resultTokenLimit - frame - 500
      const linked = Math.floor(left / 4)
      const taken: Array<PromptMessage> = []
      const take = (content: ContentBlock, reserve: number) => {
        const message = ofUser(content)
        const size = sizeOf(message)
        if (size > left - reserve) return false
        left -= size
        taken.push(message)
        return true
      }
      for (const [index, { link, whole }] of material.entries()) {
        const isWhole = index < mostEmbedded && take(whole, linked)
        if (!isWhole && !take(link, 0)) break
      }
      return {
        _tag: "Messages",
        description,
        messages: [first, ...taken, ofUser(text(closing(material.length - taken.length)))]
      }
    }
)

/** A numbered list of steps. */
export const steps = (lines: ReadonlyArray<string>): ReadonlyArray<string> =>
  lines.map((line, index) => `${index + 1}. ${line}`)
