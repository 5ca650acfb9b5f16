/**
 * Loaded before a server that is to be profiled. The first SIGUSR2 starts a CPU profile of each thread, the second writes
 * them as `THREAD.cpuprofile` to the folder in this module's query. Once all threads have done so there is an empty file
 * `started`, and then `written`.
 */
import { writeFileSync } from "node:fs"
import { Session } from "node:inspector"
import { join } from "node:path"
import { BroadcastChannel, isMainThread, threadId } from "node:worker_threads"

type Order = "start" | "stop"

/** What a thread tells all others: that it is there, what they should do, and that it has done it. */
type News = "here" | "done" | Order

const folder = new URL(import.meta.url).searchParams.get("folder") ?? "."
const everyMicroseconds = 1000
const channel = new BroadcastChannel("bench-profiles")
const session = new Session()

const say = (news: News) => channel.postMessage(news)

const obey = (order: Order, then: () => void) => {
  if (order === "start") {
    session.connect()
    session.post("Profiler.enable")
    session.post("Profiler.setSamplingInterval", { interval: everyMicroseconds })
    return session.post("Profiler.start", then)
  }
  session.post("Profiler.stop", (error, result) => {
    if (error === null) writeFileSync(join(folder, `${threadId}.cpuprofile`), JSON.stringify(result.profile))
    session.disconnect()
    then()
  })
}

/** The channel does not keep its thread alive. */
const hear = (react: (news: News) => void) => {
  // Only this module posts to the channel.
  channel.onmessage = (event) => react((event as { readonly data: unknown }).data as News)
  channel.unref()
}

const lead = () => {
  let others = 0
  let order: Order = "stop"
  let waitingFor = 0
  const done = () => {
    if (--waitingFor === 0) writeFileSync(join(folder, order === "start" ? "started" : "written"), "")
  }
  hear((news) => {
    if (news === "here") others++
    if (news === "done") done()
  })
  process.on("SIGUSR2", () => {
    order = order === "start" ? "stop" : "start"
    waitingFor = others + 1
    say(order)
    obey(order, done)
  })
}

const follow = () => {
  hear((news) => {
    if (news === "start" || news === "stop") obey(news, () => say("done"))
  })
  say("here")
}

if (isMainThread) lead()
else follow()
