import { defineConfig } from "vitest/config"

export default defineConfig({
  test: {
    projects: ["packages/*/vitest.config.ts"],
    // What a passing test makes the product log is not worth reading.
    silent: "passed-only"
  }
})
