import { Result } from "effect"
import { Base64 } from "effect/encoding"
import type { ParamHeader, RawArguments } from "../registry/RegisteredTool.ts"

type Headers = Readonly<Record<string, string | undefined>>

/** The request's headers do not say what its body says: MCP's code for it, with the pair that disagrees. */
export interface Mismatch {
  readonly header: string
  readonly body: string
}

/** Which part of a request `Mcp-Name` repeats. */
export const nameSources: ReadonlyMap<string, string> = new Map([
  ["tools/call", "name"],
  ["prompts/get", "name"],
  ["resources/read", "uri"],
  ["tasks/get", "taskId"],
  ["tasks/update", "taskId"],
  ["tasks/cancel", "taskId"]
])

const sentinel = /^=\?base64\?(.*)\?=$/
const canonicalBase64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/
const decimal = /^-?(?:0|[1-9]\d*)(?:\.\d+)?$/
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

/** What a header means: itself, or what its Base64 form holds; undefined when that form is broken. */
const valueOf = (header: string): string | undefined => {
  const value = header.replace(/^[ \t]+|[ \t]+$/g, "")
  const encoded = sentinel.exec(value)?.[1]
  if (encoded === undefined) return value
  if (!canonicalBase64.test(encoded)) return undefined
  return Result.getOrUndefined(Result.flatMap(Base64.decode(encoded), (bytes) => Result.try(() => utf8.decode(bytes))))
}

/**
 * Holds the headers that every request since 2026-07-28 must have against its body; whether those that are there agree
 * on version and method is checked when the message is classified.
 */
export const standardMismatch = (
  headers: Headers,
  method: string,
  params: Readonly<Record<string, unknown>> | undefined
): Mismatch | undefined => {
  if (headers["mcp-protocol-version"] === undefined) {
    return { header: "(missing)", body: "the required MCP-Protocol-Version header is absent" }
  }
  if (headers["mcp-method"] === undefined) {
    return { header: "(missing)", body: `the body names method ${method} but the Mcp-Method header is absent` }
  }
  const field = nameSources.get(method)
  if (field === undefined) return undefined
  const named = params?.[field]
  const name = typeof named === "string" ? named : undefined
  const header = headers["mcp-name"]
  if (header === undefined) {
    return name === undefined
      ? undefined
      : { header: "(missing)", body: `the body carries params.${field} but the Mcp-Name header is absent` }
  }
  const value = valueOf(header)
  if (value === undefined) return { header, body: "the Mcp-Name header carries an invalid Base64 value" }
  return name !== undefined && value !== name
    ? { header, body: `the body's params.${field} is not what the Mcp-Name header names` }
    : undefined
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null

const valueAt = (root: unknown, path: ReadonlyArray<string>): unknown =>
  path.reduce((node, key) => (isRecord(node) ? node[key] : undefined), root)

const agrees = (header: string, body: string | number | boolean) =>
  typeof body === "number" && decimal.test(header) ? Number(header) === body : header === String(body)

/** Holds the `Mcp-Param-*` headers of a tool against the call's arguments. Absent and null ones need no header. */
export const paramMismatch = (
  headers: Headers,
  declared: ReadonlyArray<ParamHeader>,
  input: RawArguments
): Mismatch | undefined => {
  for (const { name, path } of declared) {
    const body = valueAt(input, path)
    if (typeof body !== "string" && typeof body !== "number" && typeof body !== "boolean") continue
    const key = `Mcp-Param-${name}`
    const header = headers[key.toLowerCase()]
    if (header === undefined) return { header: "(missing)", body: `the ${key} header is absent` }
    const value = valueOf(header)
    if (value === undefined) return { header, body: `the ${key} header carries an invalid Base64 value` }
    if (!agrees(value, body)) return { header, body: `the ${key} header is not the argument ${path.join(".")}` }
  }
  return undefined
}
