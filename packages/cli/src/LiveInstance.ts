// Part of the stdio proxy, which imports neither effect nor the SDK: docs/adr/0007-stdio-proxy.md.
import { readFile } from "node:fs/promises"
import { get } from "node:http"

/** Where a running `start` on a home folder tells the other commands that it is there: JSON with its `pid` and `url`. */
export const instanceFileOf = (home: string) => `${home}/instance.json`

/** Milliseconds that a command waits to learn whether an instance is alive. */
const probeTimeout = 2000

const answers = (url: string) =>
  new Promise<boolean>((resolve) => {
    get(`${url}/livez`, { agent: false, signal: AbortSignal.timeout(probeTimeout) }, (response) => {
      response.resume()
      resolve(true)
    }).on("error", () => resolve(false))
  })

/** The address of a live `start` on a home folder; undefined without one, or when a killed process left its file. */
export const liveInstance = async (home: string): Promise<string | undefined> => {
  try {
    const { url }: { readonly url?: unknown } = JSON.parse(await readFile(instanceFileOf(home), "utf8"))
    return typeof url === "string" && (await answers(url)) ? url : undefined
  } catch {
    return undefined
  }
}
