import type { MessagePort } from "node:worker_threads"

/** What the worker thread is started with. */
export interface WorkerInput {
  /** Where the data lives; `undefined` keeps it in memory. */
  readonly dataDirectory: string | undefined
  /** A data directory image (tar, or gzipped tar) that a new database starts from. */
  readonly template: string | undefined
}

/** Orders to the worker thread. */
export type WorkerRequest =
  | { readonly kind: "connect"; readonly port: MessagePort }
  | { readonly kind: "dump"; readonly path: string; readonly answer: MessagePort }
  | { readonly kind: "close" }

/** Why the database could not be opened. */
export type OpenFailure = "unusable" | "template"

/** What the worker thread has to say. */
export type WorkerEvent =
  | { readonly kind: "progress"; readonly message: string }
  | { readonly kind: "ready" }
  | { readonly kind: "failed"; readonly reason: OpenFailure; readonly detail: string }

/** The answer to a dump: nothing, or what went wrong. */
export type DumpAnswer = { readonly failure: string | undefined }

/**
 * What travels over the port of one connection: bytes of the stream, or the number of received bytes that were dealt
 * with. Each side stops sending when `windowBytes` are on their way.
 */
export type PortMessage = Uint8Array | number

export const windowBytes = 4 * 1024 * 1024

/** Received bytes are acknowledged in lumps of this size, so that short exchanges cost one message each way. */
export const creditBytes = 512 * 1024
