import type { MessagePort } from "node:worker_threads"
import type { Gateway, Peer } from "./Gateway.ts"
import { creditBytes, type PortMessage, windowBytes } from "./WorkerProtocol.ts"

const join = (frames: ReadonlyArray<Uint8Array>): Uint8Array<ArrayBuffer> => {
  const output = new Uint8Array(frames.reduce((size, frame) => size + frame.length, 0))
  let offset = 0
  for (const frame of frames) {
    output.set(frame, offset)
    offset += frame.length
  }
  return output
}

/** Serves one logical connection of `gateway` over a message port. The connection lives as long as the port. */
export const servePort = (gateway: Gateway, port: MessagePort): void => {
  let onTheirWay = 0
  let unacknowledged = 0
  let open = true
  let resume: (() => void) | undefined

  const proceed = () => {
    resume?.()
    resume = undefined
  }
  const peer: Peer = {
    send: (frames) => {
      if (!open) return
      const bytes = join(frames)
      onTheirWay += bytes.length
      port.postMessage(bytes, [bytes.buffer])
    },
    drained: () =>
      !open || onTheirWay < windowBytes
        ? undefined
        : new Promise((resolve) => {
            resume = resolve
          }),
    end: () => {
      open = false
      proceed()
      port.close()
    }
  }
  const connection = gateway.connect(peer)

  const consumed = (size: number) => {
    unacknowledged += size
    if (unacknowledged < creditBytes || !open) return
    port.postMessage(unacknowledged)
    unacknowledged = 0
  }
  port.on("message", (message: PortMessage) => {
    if (typeof message === "number") {
      onTheirWay -= message
      if (onTheirWay < windowBytes) proceed()
      return
    }
    const size = message.length
    void connection.feed(message).then(() => consumed(size))
  })
  port.on("close", () => {
    void connection.close()
  })
}
