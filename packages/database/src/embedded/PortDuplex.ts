import { Duplex } from "node:stream"
import { MessageChannel, type MessagePort } from "node:worker_threads"
import { creditBytes, type PortMessage, windowBytes } from "./WorkerProtocol.ts"

/** The client's end of a logical connection: a byte stream over a message port, with flow control both ways. */
export class PortDuplex extends Duplex {
  readonly #port: MessagePort
  #onTheirWay = 0
  #unacknowledged = 0
  #reading = true
  #resume: (() => void) | undefined

  private constructor(port: MessagePort) {
    super({ allowHalfOpen: false })
    this.#port = port
    port.on("message", (message: PortMessage) => this.#receive(message))
    port.on("close", () => this.destroy())
  }

  /** A stream and the port that its other end is served on. */
  static make(): { readonly stream: PortDuplex; readonly port: MessagePort } {
    const { port1, port2 } = new MessageChannel()
    return { stream: new PortDuplex(port1), port: port2 }
  }

  #receive(message: PortMessage): void {
    if (typeof message === "number") {
      this.#onTheirWay -= message
      this.#proceed()
      return
    }
    this.#unacknowledged += message.length
    this.#reading = this.push(message)
    if (this.#reading) this.#acknowledge()
  }

  #acknowledge(): void {
    if (this.#unacknowledged < creditBytes) return
    this.#port.postMessage(this.#unacknowledged)
    this.#unacknowledged = 0
  }

  #proceed(): void {
    if (this.#onTheirWay >= windowBytes) return
    const resume = this.#resume
    this.#resume = undefined
    resume?.()
  }

  override _read(): void {
    if (this.#reading) return
    this.#reading = true
    this.#acknowledge()
  }

  override _write(chunk: Uint8Array, _encoding: string, done: () => void): void {
    const own = new Uint8Array(chunk)
    this.#onTheirWay += own.length
    this.#port.postMessage(own, [own.buffer])
    this.#resume = done
    this.#proceed()
  }

  override _final(done: () => void): void {
    this.#port.close()
    done()
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#port.close()
    done(error)
  }
}
