import { embedderConformance } from "@devops-mcp/testing/conformance/Embedder"
import * as LocalEmbedder from "../src/LocalEmbedder.ts"

embedderConformance("LocalEmbedder", LocalEmbedder.layer)
