import { RepositoriesLive } from "@devops-mcp/database/Database"
import { requestReplayRepositoryConformance } from "@devops-mcp/testing/conformance/RequestReplayRepository"
import { freshTenant } from "@devops-mcp/testing/Fixtures"
import { TestDatabase } from "@devops-mcp/testing/TestDatabase"
import { Layer } from "effect"

requestReplayRepositoryConformance("database", RepositoriesLive.pipe(Layer.provideMerge(TestDatabase)), freshTenant)
