/** What agents are told about this server before they use it. Short: it is in every conversation. */
export const instructions = [
  "Tools for software delivery, with a memory.",
  "To learn what happened or what is known, describe it in a sentence to `knowledge_search`;",
  "`events_list` lists pushes, pull requests and deployments, newest first.",
  "To keep your own conversation beyond your window, make a context with `context_create`,",
  "add to it with `context_append` and read what fits a token budget with `context_get`.",
  "Every other tool is an action of a configured tool, named {tool}_{action}, for example `git_log`.",
  "Lists give a `nextCursor`: pass it as `cursor` for the next page.",
  "An error says what to change, and whether trying again can help."
].join(" ")
