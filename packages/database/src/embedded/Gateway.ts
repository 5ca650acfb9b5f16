import { GatewayConnection } from "./GatewayConnection.ts"
import { OwnerLock } from "./OwnerLock.ts"
import * as Wire from "./WireFrames.ts"

/** One PostgreSQL backend spoken to in whole messages; PGlite in production. */
export interface Backend {
  /** Runs `message` to its end. The bytes given to `onData` are only valid during that call, which must not throw. */
  readonly execute: (message: Uint8Array, onData: (bytes: Uint8Array) => void) => Promise<void>
}

/** The client's side of one logical connection. */
export interface Peer {
  readonly send: (frames: ReadonlyArray<Uint8Array>) => void
  /** Waits while the client reads slower than it asks; `undefined` when there is nothing to wait for. */
  readonly drained: () => Promise<void> | undefined
  readonly end: () => void
}

const isSuperuserOff = Buffer.from("is_superuser\0off\0")

const ignoreFrame = () => {}

/**
 * Many logical PostgreSQL connections in front of one backend. Whole cycles run one after the other, and a connection
 * inside a transaction keeps the backend to itself until its last cycle, so transactions are serial.
 *
 * There is one session behind all connections: a `SET` that is not LOCAL, `DISCARD`, `DEALLOCATE ALL`, SQL-level
 * `PREPARE`, temporary tables and session advisory locks are everybody's. Our code uses transaction-local state only;
 * a connection that leaves has its session state reset. A transaction that waits for another connection waits forever.
 */
export class Gateway {
  readonly lock = new OwnerLock<object>()
  readonly #backend: Backend
  readonly #connections = new Map<number, GatewayConnection>()
  #greeting: ReadonlyArray<Buffer> = []
  #roleIsReduced = false
  #lastId = 0

  private constructor(backend: Backend) {
    this.#backend = backend
  }

  /** Opens the backend's only session. Its greeting is replayed to every client, which so never waits to connect. */
  static async open(backend: Backend): Promise<Gateway> {
    const gateway = new Gateway(backend)
    const greeting: Array<Buffer> = []
    await gateway.run(Wire.startup, (frame) => greeting.push(frame))
    gateway.#greeting = greeting
    return gateway
  }

  /** Whether the session's role is not the superuser that every connection starts as. */
  get roleIsReduced(): boolean {
    return this.#roleIsReduced
  }

  connect(peer: Peer): GatewayConnection {
    const connection = new GatewayConnection(this, ++this.#lastId, peer)
    this.#connections.set(connection.id, connection)
    return connection
  }

  disconnect(connection: GatewayConnection): void {
    this.#connections.delete(connection.id)
  }

  greetingFor(connection: GatewayConnection): ReadonlyArray<Buffer> {
    return this.#greeting.map((frame) => {
      if (frame[0] !== Wire.Type.backendKey) return frame
      const own = Buffer.from(frame)
      own.writeInt32BE(connection.id, 5)
      return own
    })
  }

  /** Withdraws a cycle that still waits for its turn. A running one cannot be stopped: it holds the thread. */
  cancel(id: number): void {
    const connection = this.#connections.get(id)
    if (connection !== undefined) this.lock.withdraw(connection)
  }

  hasListener(channel: string, except: GatewayConnection): boolean {
    for (const connection of this.#connections.values()) {
      if (connection !== except && connection.channels.has(channel)) return true
    }
    return false
  }

  /** Runs messages on the backend; the caller holds the lock. Notifications go to listeners, the rest to `onFrame`. */
  async run(message: Uint8Array, onFrame: (frame: Buffer) => void = ignoreFrame): Promise<void> {
    const reader = new Wire.FrameReader("backend")
    await this.#backend.execute(message, (bytes) => {
      for (const frame of reader.push(new Uint8Array(bytes))) {
        switch (frame[0]) {
          case Wire.Type.notification:
            this.#notify(frame)
            break
          case Wire.Type.parameterStatus:
            if (frame.includes("is_superuser\0", 5)) this.#roleIsReduced = frame.includes(isSuperuserOff, 5)
            onFrame(frame)
            break
          default:
            onFrame(frame)
        }
      }
    })
  }

  /** Runs `work` while no transaction is open and nothing else can start. */
  async exclusively<A>(work: () => Promise<A>): Promise<A> {
    const owner = {}
    await this.lock.acquire(owner)
    try {
      return await work()
    } finally {
      this.lock.release(owner)
    }
  }

  /** Sends every client away and runs `work` last. The lock is not given back: nothing runs on the backend after it. */
  async close(work: () => Promise<void>): Promise<void> {
    await Promise.all(Array.from(this.#connections.values(), (connection) => connection.close()))
    await this.lock.acquire(this)
    await work()
  }

  #notify(frame: Buffer): void {
    const channel = Wire.notificationChannel(frame)
    for (const connection of this.#connections.values()) connection.notify(channel, frame)
  }
}
