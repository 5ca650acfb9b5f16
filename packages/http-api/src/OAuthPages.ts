import type { PendingConnection } from "@devops-mcp/core/connections/Connections"
import type { AuthorizationAnswer } from "@devops-mcp/core/ports/OAuthClient"
import { HttpServerResponse } from "effect/http"

/** Pages show text: no script, no style, no link, no frame, and a form for ourselves at most. */
const contentSecurityPolicy = (formAction: "'none'" | "'self'") =>
  `default-src 'none'; base-uri 'none'; form-action ${formAction}; frame-ancestors 'none'`

const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;"
}

const escaped = (text: string) => text.replace(/[&<>"']/g, (character) => entities[character] ?? "")

interface Page {
  readonly status: number
  readonly title: string
  readonly paragraphs: ReadonlyArray<string>
  /** HTML. */
  readonly form?: string
}

const pageOf = ({ form, paragraphs, status, title }: Page) => {
  const body = [`<h1>${escaped(title)}</h1>`, ...paragraphs.map((text) => `<p>${escaped(text)}</p>`), form ?? ""]
  return HttpServerResponse.text(
    `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${escaped(title)}</title>${body.join("")}</html>\n`,
    {
      status,
      contentType: "text/html; charset=utf-8",
      headers: {
        "content-security-policy": contentSecurityPolicy(form === undefined ? "'none'" : "'self'"),
        // With none at all browsers would say nothing of where a form comes from. The address has the code in it.
        "referrer-policy": form === undefined ? "no-referrer" : "strict-origin",
        "cache-control": "no-store"
      }
    }
  )
}

export const page = (status: number, title: string, text: string) => pageOf({ status, title, paragraphs: [text] })

export const notConnected = (status: number, text: string) => page(status, "Not connected", text)

const hidden = ([name, value]: readonly [string, string]) =>
  `<input type="hidden" name="${escaped(name)}" value="${escaped(value)}">`

const button = (decision: string, text: string) =>
  `<button type="submit" name="decision" value="${decision}">${escaped(text)}</button>`

const host = (url: string) => URL.parse(url)?.host ?? url

/** Asks whoever opened the link whether they want what its caller asked for. */
export const consentPage = (
  { principal, provider: { authorizationEndpoint, name, scopes }, shared, tenant }: PendingConnection,
  answer: AuthorizationAnswer
) => {
  const caller = `${principal.credential === "api_key" ? "The API key" : "The user"} '${principal.name}'`
  const wanted = scopes.length === 0 ? "" : `, with the permissions ${scopes.join(", ")}`
  const users = shared ? `everybody in the tenant '${tenant}'` : "this caller, and nobody else there,"
  return pageOf({
    status: 200,
    title: `Connect your account of '${name}'?`,
    paragraphs: [
      `${caller} of the tenant '${tenant}' asks for your account of '${name}' (${host(authorizationEndpoint)})${wanted}.`,
      `When you connect it, ${users} can act with your account, until the connection is deleted.`,
      "Connect only what you have asked for yourself. If somebody sent you a link that led here, do not connect.",
      "Decide now: the permission that you have just given is good for some minutes at most."
    ],
    // Relative, for there may be a proxy that serves us under a path of its own.
    form: `<form method="post" action="callback">${Object.entries(answer).map(hidden).join("")}${button("connect", "Connect")} ${button("discard", "Do not connect")}</form>`
  })
}
