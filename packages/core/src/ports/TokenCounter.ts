import { Context } from "effect"

/** Counts o200k tokens of a text; special tokens in it are plain text. Linear in the text's length. */
export class TokenCounter extends Context.Service<
  TokenCounter,
  {
    readonly count: (text: string) => number
  }
>()("@devops-mcp/core/ports/TokenCounter") {}
