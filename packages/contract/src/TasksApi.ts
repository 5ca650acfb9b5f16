import { TaskId } from "@devops-mcp/domain/Ids"
import { Page } from "@devops-mcp/domain/Page"
import { Task } from "@devops-mcp/domain/Task"
import { HttpApiEndpoint, HttpApiGroup, OpenApi } from "effect/http-api"
import { Authorization, Requires } from "./Authorization.ts"
import { listQuery } from "./Lists.ts"
import { CommonProblems } from "./Problems.ts"

const params = { id: TaskId }

export class TasksApi extends HttpApiGroup.make("tasks")
  .add(
    HttpApiEndpoint.get("list", "/", { query: listQuery, success: Page(Task), error: CommonProblems }).annotate(
      Requires,
      "tools:read"
    ),
    HttpApiEndpoint.get("get", "/:id", { params, success: Task, error: CommonProblems }).annotate(
      Requires,
      "tools:read"
    ),
    HttpApiEndpoint.post("cancel", "/:id/cancel", { params, success: Task, error: CommonProblems }).annotate(
      Requires,
      "tools:read"
    )
  )
  .middleware(Authorization)
  .prefix("/tasks")
  .annotateMerge(OpenApi.annotations({ title: "Tasks", description: "Long work of the caller's own" })) {}
