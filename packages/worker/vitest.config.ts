import { projectWithDatabase } from "../../vitest.project.ts"

export default projectWithDatabase("worker")
