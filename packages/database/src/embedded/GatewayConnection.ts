import type { Gateway, Peer } from "./Gateway.ts"
import * as Shared from "./SharedSession.ts"
import * as Wire from "./WireFrames.ts"

const flushBytes = 256 * 1024

const idle = "I".charCodeAt(0)

/** Messages after which the backend must run what it got: it answers them, and the client waits for that. */
const endsCycle = (type: number | undefined): boolean =>
  type === Wire.Type.sync || type === Wire.Type.query || type === Wire.Type.functionCall

/**
 * One logical connection: collects a client's messages into cycles and runs each of them as a whole.
 * The names of its prepared statements and its LISTEN channels are kept apart from those of the others.
 */
export class GatewayConnection {
  /** Channels whose notifications this client gets. */
  readonly channels = new Set<string>()
  readonly id: number
  readonly #gateway: Gateway
  readonly #peer: Peer
  readonly #prefix: string
  readonly #reader = new Wire.FrameReader("client")
  readonly #statements = new Set<string>()
  readonly #registered = new Set<string>()
  #cycle: Array<Buffer> = []
  #cycleBytes = 0
  #skipsToSync = false
  #used = false
  #closed = false
  #tail: Promise<void> = Promise.resolve()

  constructor(gateway: Gateway, id: number, peer: Peer) {
    this.#gateway = gateway
    this.id = id
    this.#peer = peer
    this.#prefix = `c${id}:`
  }

  /** Resolves when the chunk has been dealt with. Chunks are taken in order. Rejects only when the backend is lost. */
  feed(chunk: Uint8Array): Promise<void> {
    this.#tail = this.#tail.then(() => this.#consume(chunk))
    return this.#tail
  }

  /** Rolls back, frees and resets what the connection left on the backend, behind whatever is running now. */
  close(): Promise<void> {
    if (!this.#closed) {
      this.#closed = true
      this.channels.clear()
      this.#gateway.disconnect(this)
      this.#gateway.lock.withdraw(this)
      this.#peer.end()
      this.#tail = this.#tail.then(() => this.#leave())
    }
    return this.#tail
  }

  notify(channel: string, frame: Buffer): void {
    if (this.channels.has(channel)) this.#peer.send([frame])
  }

  async #consume(chunk: Uint8Array): Promise<void> {
    try {
      for (const frame of this.#reader.push(chunk)) {
        if (this.#closed) return
        await this.#accept(frame)
      }
    } catch (cause) {
      if (!(cause instanceof Wire.FrameError)) throw cause
      this.#peer.send([Wire.error("FATAL", "08P01", cause.message)])
      void this.close()
    }
  }

  #accept(frame: Buffer): Promise<void> | void {
    const type = frame[0]
    if (type === Wire.Type.startup) return this.#begin(frame)
    if (type === Wire.Type.terminate) return void this.close()
    if (this.#skipsToSync) {
      if (type !== Wire.Type.sync) return
      this.#skipsToSync = false
      return this.#peer.send([Wire.readyIdle])
    }
    const own = this.#translate(frame)
    this.#cycle.push(own)
    this.#cycleBytes += own.length
    if (this.#cycleBytes > Wire.maxClientBytes) {
      throw new Wire.FrameError(`A cycle of more than ${Wire.maxClientBytes} bytes is refused`)
    }
    if (endsCycle(type) || type === Wire.Type.flush) return this.#run(endsCycle(type))
  }

  #begin(packet: Buffer): void {
    switch (packet.readInt32BE(4)) {
      case Wire.Request.ssl:
      case Wire.Request.gssEncryption:
        return this.#peer.send([Buffer.from("N")])
      case Wire.Request.cancel:
        if (packet.length >= 12) this.#gateway.cancel(packet.readInt32BE(8))
        return void this.close()
      default:
        return this.#peer.send(this.#gateway.greetingFor(this))
    }
  }

  #translate(frame: Buffer): Buffer {
    const name = Wire.statementName(frame)
    if (frame[0] === Wire.Type.parse && name !== undefined) this.#statements.add(name)
    if (frame[0] === Wire.Type.close && name !== undefined) this.#statements.delete(name)
    const sql = Wire.statementText(frame)
    const text = sql === undefined ? undefined : this.#rewrite(sql)
    return Wire.withStatementPrefix(text === undefined ? frame : Wire.withStatementText(frame, text), this.#prefix)
  }

  /** The text to run in place of a statement that would harm the others; `undefined` leaves it as it is. */
  #rewrite(sql: string): string | undefined {
    if (Shared.isCopyIn(sql)) return Shared.refusedCopy
    const subscription = Shared.subscriptionOf(sql)
    switch (subscription?.kind) {
      case "listen":
        this.channels.add(subscription.channel)
        this.#registered.add(subscription.channel)
        return undefined
      case "unlisten":
        this.channels.delete(subscription.channel)
        return this.#gateway.hasListener(subscription.channel, this) ? Shared.harmlessUnlisten : undefined
      case "unlistenAll":
        this.channels.clear()
        return Shared.harmlessUnlisten
      case undefined:
        return undefined
    }
  }

  async #run(answered: boolean): Promise<void> {
    const drained = this.#peer.drained()
    if (drained !== undefined) await drained
    const turn = this.#gateway.lock.acquire(this)
    const granted = turn === true || (await turn)
    if (!granted) return this.#withdrawn(answered)
    if (this.#closed) return
    const message = this.#cycle.length === 1 ? this.#cycle[0]! : Buffer.concat(this.#cycle, this.#cycleBytes)
    this.#forget()
    this.#used = true
    const ready = await this.#execute(message, answered)
    if (ready !== undefined && ready[5] === idle) this.#gateway.lock.release(this)
  }

  /** Runs one cycle and hands its answer to the client; gives the one `ReadyForQuery` when the client waits for it. */
  async #execute(message: Buffer, answered: boolean): Promise<Buffer | undefined> {
    let frames: Array<Buffer> = []
    let bytes = 0
    let ready: Buffer | undefined
    await this.#gateway.run(message, (frame) => {
      if (frame[0] === Wire.Type.ready) {
        ready = frame
        return
      }
      frames.push(frame)
      bytes += frame.length
      if (bytes < flushBytes) return
      this.#peer.send(frames)
      frames = []
      bytes = 0
    })
    if (answered) {
      if (ready === undefined) throw new Error("The embedded database ended a cycle without saying it is ready")
      if (ready[5] === idle && this.#gateway.roleIsReduced) {
        await this.#gateway.run(Shared.resetRole)
        frames.push(Shared.roleOutlivesTransaction)
      }
      frames.push(ready)
    }
    if (frames.length > 0) this.#peer.send(frames)
    return answered ? ready : undefined
  }

  /** The client cancelled a cycle before its turn came: nothing of it has run. */
  #withdrawn(answered: boolean): void {
    this.#forget()
    if (this.#closed) return
    const cancelled = Wire.error("ERROR", "57014", "canceling statement due to user request")
    this.#peer.send(answered ? [cancelled, Wire.readyIdle] : [cancelled])
    this.#skipsToSync = !answered
  }

  #forget(): void {
    this.#cycle = []
    this.#cycleBytes = 0
  }

  async #leave(): Promise<void> {
    this.#forget()
    if (this.#used) {
      await this.#gateway.lock.acquire(this)
      const names = Array.from(this.#statements, (name) => this.#prefix + name)
      const unheard = Array.from(this.#registered).filter((channel) => !this.#gateway.hasListener(channel, this))
      await this.#gateway.run(Shared.farewell(names, unheard))
    }
    this.#gateway.lock.release(this)
  }
}
