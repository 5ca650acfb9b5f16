/**
 * The thread that PGlite lives in: SQL runs synchronously there, and so never holds up the event loop of the server.
 * Starts by itself when loaded as a worker thread with a `WorkerInput`.
 */
import { PGlite } from "@electric-sql/pglite"
import { pg_trgm } from "@electric-sql/pglite/contrib/pg_trgm"
import { vector } from "@electric-sql/pglite-pgvector"
import { renameSync, writeFileSync } from "node:fs"
import { type MessagePort, parentPort, workerData } from "node:worker_threads"
import * as DataDirectory from "./DataDirectory.ts"
import { Gateway } from "./Gateway.ts"
import { servePort } from "./PortPeer.ts"
import * as Wire from "./WireFrames.ts"
import type { DumpAnswer, WorkerEvent, WorkerInput, WorkerRequest } from "./WorkerProtocol.ts"

const control = parentPort
if (control === null) throw new Error("This module runs in a worker thread")

const input: WorkerInput = workerData

const say = (event: WorkerEvent) => control.postMessage(event)

const checkpoint = Wire.query("CHECKPOINT")

/** The image from npm was made on a machine that calls UTC "Etc/GMT0". */
const startParams = [...PGlite.defaultStartParams, "-c", "timezone=UTC", "-c", "log_timezone=UTC"]

let complaint: string | undefined

const listen = (line: string): boolean => {
  complaint = /(?:FATAL|PANIC|ERROR): +(.*)/.exec(line)?.[1] ?? complaint
  return false
}

const memoryImage = (): { readonly loadDataDir: Blob } | undefined => {
  const { template } = input
  const image = template === undefined ? DataDirectory.prepopulatedImage() : DataDirectory.readImage(template)
  return image === undefined ? undefined : { loadDataDir: new Blob([new Uint8Array(image)]) }
}

const open = async (): Promise<PGlite> => {
  const options = { extensions: { vector, pg_trgm }, startParams, onStderr: listen }
  if (input.dataDirectory === undefined) return PGlite.create({ ...options, ...memoryImage() })
  await DataDirectory.prepare(input.dataDirectory, input.template, () => {
    say({ kind: "progress", message: "Preparing a new database" })
  })
  say({ kind: "progress", message: "Starting the database" })
  return PGlite.create(input.dataDirectory, options)
}

const dump = async (database: PGlite, path: string): Promise<void> => {
  const image = await database.dumpDataDir("none")
  const partial = `${path}.partial`
  writeFileSync(partial, new Uint8Array(await image.arrayBuffer()), { mode: 0o600 })
  renameSync(partial, path)
}

const sentence = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause))

const answerDump = async (database: PGlite, gateway: Gateway, path: string, answer: MessagePort): Promise<void> => {
  const reply = (failure: string | undefined) => answer.postMessage({ failure } satisfies DumpAnswer)
  await gateway
    .exclusively(async () => {
      await gateway.run(checkpoint)
      await dump(database, path)
    })
    .then(
      () => reply(undefined),
      (cause) => reply(sentence(cause))
    )
  answer.close()
}

const serve = (database: PGlite, gateway: Gateway) => {
  control.on("message", (request: WorkerRequest) => {
    switch (request.kind) {
      case "connect":
        return servePort(gateway, request.port)
      case "dump":
        return void answerDump(database, gateway, request.path, request.answer)
      case "close":
        return void gateway.close(() => database.close()).finally(() => process.exit(0))
    }
  })
}

try {
  const database = await open()
  const gateway = await Gateway.open({
    execute: (message, onRawData) => database.execProtocolRawStream(message, { syncToFs: false, onRawData })
  })
  serve(database, gateway)
  say({ kind: "ready" })
} catch (cause) {
  const reason = cause instanceof DataDirectory.TemplateError ? "template" : "unusable"
  say({ kind: "failed", reason, detail: complaint ?? sentence(cause) })
  process.exit(0)
}
