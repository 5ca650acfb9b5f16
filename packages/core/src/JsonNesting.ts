/** How deep JSON from outside may be nested: what walks it recursively must not run out of stack. */
export const deepestNesting = 200

const quote = 0x22
const escape = 0x5c
const isOpening = (code: number) => code === 0x5b || code === 0x7b
const isClosing = (code: number) => code === 0x5d || code === 0x7d

/** Whether as many backslashes precede a quote as make it a part of its string. */
const isEscaped = (json: string, at: number): boolean => {
  let first = at
  while (json.charCodeAt(first - 1) === escape) first--
  return (at - first) % 2 === 1
}

/** Whether a JSON text is nested deeper than `limit`: one pass over the text, for before it is parsed. */
export const isNestedDeeper = (json: string, limit: number): boolean => {
  let depth = 0
  for (let index = 0; index < json.length; index++) {
    const code = json.charCodeAt(index)
    if (code === quote) {
      // Most of what tools send is strings, and the engine finds their ends faster than a loop does.
      do index = json.indexOf('"', index + 1)
      while (index >= 0 && isEscaped(json, index))
      if (index < 0) return false
    } else if (isOpening(code)) {
      if (++depth > limit) return true
    } else if (isClosing(code)) depth--
  }
  return false
}
