import { Effect, Queue } from "effect"
import type { Duplex } from "node:stream"
import * as Wire from "../../src/embedded/WireFrames.ts"

/** A client that speaks the protocol by hand, for what no well-behaved driver does. */
export interface RawClient {
  readonly stream: Duplex
  /** Sends frames and gives the answers up to the next ReadyForQuery. */
  readonly ask: (...frames: ReadonlyArray<Buffer>) => Effect.Effect<ReadonlyArray<Buffer>>
  /** Everything the backend sends, frame by frame. */
  readonly frames: Queue.Dequeue<Buffer>
  readonly processId: number
}

const untilReady = Effect.fnUntraced(function* (frames: Queue.Dequeue<Buffer>) {
  const answer: Array<Buffer> = []
  while (answer.at(-1)?.[0] !== Wire.Type.ready) answer.push(yield* Queue.take(frames))
  return answer
})

export const make = Effect.fnUntraced(function* (connect: () => Duplex) {
  const frames = yield* Queue.unbounded<Buffer>()
  const reader = new Wire.FrameReader("backend")
  const stream = yield* Effect.acquireRelease(Effect.sync(connect), (stream) => Effect.sync(() => stream.destroy()))
  stream.on("data", (chunk: Uint8Array) => Queue.offerAllUnsafe(frames, reader.push(chunk)))
  stream.write(Wire.startup)
  const greeting = yield* untilReady(frames)
  const key = greeting.find((frame) => frame[0] === Wire.Type.backendKey)
  const client: RawClient = {
    stream,
    frames,
    processId: key?.readInt32BE(5) ?? 0,
    ask: (...messages) =>
      Effect.andThen(
        Effect.sync(() => stream.write(Buffer.concat(messages))),
        untilReady(frames)
      )
  }
  return client
})

/** The types of frames, as the letters the protocol documentation uses. Reports of parameters are left out. */
export const types = (frames: ReadonlyArray<Buffer>): string =>
  frames
    .map((frame) => String.fromCharCode(frame[0] ?? 0))
    .filter((type) => type !== "S")
    .join("")

/** The code of the first error among the frames. */
export const errorCode = (frames: ReadonlyArray<Buffer>): string | undefined => {
  const error = frames.find((frame) => frame[0] === Wire.Type.error)
  return error === undefined ? undefined : /\0C([0-9A-Z]{5})\0/.exec(error.toString("latin1"))?.[1]
}

const message = (type: string, body: string): Buffer => {
  const output = Buffer.from(`${type}0000${body}`)
  output.writeInt32BE(output.length - 1, 1)
  return output
}

/** Parses a named statement without parameters. */
export const parse = (name: string, sql: string): Buffer => message("P", `${name}\0${sql}\0\0\0`)

/** Binds and runs a named statement without parameters. */
export const execute = (name: string): Buffer =>
  Buffer.concat([message("B", `\0${name}\0\0\0\0\0\0\0`), message("E", "\0\0\0\0\0")])
