import { fileURLToPath } from "node:url"
import { defineProject } from "vitest/config"

const settings = {
  include: ["test/**/*.test.ts"],
  testTimeout: 30_000,
  hookTimeout: 60_000,
  setupFiles: [fileURLToPath(new URL("packages/testing/src/watchRun.ts", import.meta.url))],
  // Suites share nothing but modules, and loading those anew for each file took twice as long as the tests.
  isolate: false
}

/** One vitest project per package; the only place that says where a package keeps its tests. */
export const project = (name: string) => defineProject({ test: { ...settings, name } })

/** A project whose suites each get a migrated database of their own. */
export const projectWithDatabase = (name: string) =>
  defineProject({
    test: {
      ...settings,
      name,
      globalSetup: [fileURLToPath(new URL("packages/testing/src/globalSetup.ts", import.meta.url))]
    }
  })
