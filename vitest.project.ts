import { defineProject } from "vitest/config"

/** One vitest project per package; the only place that says where a package keeps its tests. */
export const project = (name: string) =>
  defineProject({
    test: {
      name,
      include: ["test/**/*.test.ts"],
      testTimeout: 30_000,
      hookTimeout: 60_000
    }
  })
