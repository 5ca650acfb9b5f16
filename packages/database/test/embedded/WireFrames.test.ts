import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import * as Wire from "../../src/embedded/WireFrames.ts"

const chunked = (bytes: Buffer, cuts: ReadonlyArray<number>): ReadonlyArray<Buffer> => {
  const offsets = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).toSorted((a, b) => a - b), bytes.length]
  return offsets.slice(1).map((end, index) => bytes.subarray(offsets[index], end))
}

const readAll = (origin: "client" | "backend", chunks: ReadonlyArray<Buffer>): ReadonlyArray<string> => {
  const reader = new Wire.FrameReader(origin)
  return chunks.flatMap((chunk) => reader.push(chunk)).map((frame) => frame.toString("hex"))
}

const Cut = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 100_000 }))

describe("FrameReader", () => {
  it.effect.prop(
    "gives the same frames however the stream is chunked",
    [Schema.Array(Schema.String).check(Schema.isMaxLength(20)), Schema.Array(Cut).check(Schema.isMaxLength(40))],
    ([texts, cuts]) =>
      Effect.sync(() => {
        const frames = [Wire.startup, ...texts.map(Wire.query), Wire.sync]
        const expected = frames.map((frame) => frame.toString("hex"))
        assert.deepStrictEqual(readAll("client", chunked(Buffer.concat(frames), cuts)), expected)
      })
  )

  it("refuses a frame over the limit before its body arrives", () => {
    const reader = new Wire.FrameReader("client")
    const header = Buffer.from([Wire.Type.query, 0, 0, 0, 0])
    header.writeInt32BE(Wire.maxClientBytes + 1, 1)
    reader.push(Wire.startup)
    assert.throws(() => reader.push(header), Wire.FrameError)
  })

  it("refuses a length that no frame can have", () => {
    const reader = new Wire.FrameReader("client")
    reader.push(Wire.startup)
    assert.throws(() => reader.push(Buffer.from([Wire.Type.query, 0, 0, 0, 3])), Wire.FrameError)
  })
})

describe("statement names", () => {
  it.effect.prop("are prefixed where a frame has one", [Schema.NonEmptyString], ([input]) =>
    Effect.sync(() => {
      const plain = input.replaceAll("\0", "")
      if (plain === "") return
      const frame = Wire.closeStatement(plain)
      const name = Buffer.from(plain).toString()
      assert.strictEqual(Wire.statementName(frame), name)
      assert.strictEqual(Wire.statementName(Wire.withStatementPrefix(frame, "c1:")), `c1:${name}`)
    })
  )

  it("leaves the unnamed statement alone", () => {
    const frame = Wire.closeStatement("")
    assert.strictEqual(Wire.withStatementPrefix(frame, "c1:"), frame)
  })
})
