import type { Sample } from "../Sample.ts"

export const samples: ReadonlyArray<Sample> = [
  {
    eventType: "deploy.finished",
    of: "flat",
    payload: {
      id: "evt-1",
      event_type: "deploy.finished",
      title: "Shop 1.1 is live",
      description: "Deployed by the release train.",
      status: "success",
      environment: "production",
      repository: "acme/shop",
      user: "ada",
      url: "https://deploy.example.com/runs/1",
      timestamp: "2025-12-30T15:00:00Z"
    }
  },
  {
    eventType: "com.acme.order.failed",
    of: "a cloud event",
    payload: {
      specversion: "1.0",
      type: "com.acme.order.failed",
      source: "/shop/orders",
      id: "A234-1234-1234",
      time: "2025-12-30T17:31:00Z",
      datacontenttype: "application/json",
      data: { message: "The payment was refused", severity: "warning", actor: { name: "Grace" }, action: "failed" }
    }
  },
  {
    eventType: "release",
    of: "with objects and a secret",
    payload: {
      event: "release",
      action: "published",
      repository: { full_name: "acme/shop" },
      sender: { login: "ada" },
      message: "Deployed with password=hunter2hunter2",
      html_url: "https://ada:hunter2@git.example.com/acme/shop",
      created_at: 1767139200
    }
  },
  { eventType: "unknown", of: "nothing known", payload: { alpha: 1, beta: [true] } }
]
