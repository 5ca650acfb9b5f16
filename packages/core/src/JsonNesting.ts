/** How deep JSON from outside may be nested: what walks it recursively must not run out of stack. */
export const deepestNesting = 200

const quote = 0x22
const escape = 0x5c
const isOpening = (code: number) => code === 0x5b || code === 0x7b
const isClosing = (code: number) => code === 0x5d || code === 0x7d

/** Whether a JSON text is nested deeper than `limit`: one pass over the text, for before it is parsed. */
export const isNestedDeeper = (json: string, limit: number): boolean => {
  let depth = 0
  let quoted = false
  for (let index = 0; index < json.length; index++) {
    const code = json.charCodeAt(index)
    if (quoted) {
      if (code === escape) index++
      else if (code === quote) quoted = false
    } else if (code === quote) quoted = true
    else if (isOpening(code)) {
      if (++depth > limit) return true
    } else if (isClosing(code)) depth--
  }
  return false
}
