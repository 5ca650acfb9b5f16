/** Loaded before each test file: none of the secrets that its tests and the product used can be read in what they said. */
import { afterAll } from "vitest"
import { installRunWatch, makeRunWatch, type RunWatch } from "./RunWatch.ts"

declare global {
  // One for all test files of a worker, which share modules but not this one.
  var runWatch: RunWatch | undefined
}

if (globalThis.runWatch === undefined) {
  globalThis.runWatch = makeRunWatch()
  installRunWatch(globalThis.runWatch)
}

const watch = globalThis.runWatch

afterAll(() => {
  const leaks = watch.leaks()
  if (leaks.length > 0) throw new Error(`Secrets can be read where they must not be:\n${leaks.slice(0, 20).join("\n")}`)
})
