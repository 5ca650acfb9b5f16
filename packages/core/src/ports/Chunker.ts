import { Context } from "effect"

/** Splits text into passages short enough to embed. Joined, they contain every word of the text; empty text gives none. */
export class Chunker extends Context.Service<
  Chunker,
  {
    readonly chunk: (text: string) => ReadonlyArray<string>
  }
>()("@devops-mcp/core/ports/Chunker") {}
