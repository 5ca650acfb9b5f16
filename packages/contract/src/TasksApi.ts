import { TaskId } from "@devops-mcp/domain/Ids"
import { Page } from "@devops-mcp/domain/Page"
import { Task } from "@devops-mcp/domain/Task"
import { HttpApiEndpoint, OpenApi } from "effect/http-api"
import { guarded, requires } from "./Authorization.ts"
import { idempotent } from "./Idempotency.ts"
import { listQuery } from "./Lists.ts"
import { CommonProblems } from "./Problems.ts"

const params = { id: TaskId }

export class TasksApi extends guarded(
  "tasks",
  HttpApiEndpoint.get("list", "/", { query: listQuery, success: Page(Task), error: CommonProblems }).pipe(
    requires("tools:read")
  ),
  HttpApiEndpoint.get("get", "/:id", { params, success: Task, error: CommonProblems }).pipe(requires("tools:read")),
  HttpApiEndpoint.post("cancel", "/:id/cancel", { params, success: Task, error: CommonProblems }).pipe(
    idempotent,
    requires("tools:read")
  )
)
  .prefix("/tasks")
  .annotateMerge(OpenApi.annotations({ title: "Tasks", description: "Long work of the caller's own" })) {}
