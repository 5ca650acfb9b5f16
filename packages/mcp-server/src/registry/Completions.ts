/** As MCP has it: no more values than these in one answer. */
export const mostCompletions = 100

/** What clients offer their user for what was typed so far. */
export interface Completion {
  readonly values: ReadonlyArray<string>
  readonly hasMore: boolean
}

/** Longer input completes to nothing that we have. */
const longestTyped = 200

export const completable = (typed: string) => typed.length <= longestTyped

export const completionOf = (values: ReadonlyArray<string>): Completion => ({
  values: values.slice(0, mostCompletions),
  hasMore: values.length > mostCompletions
})
