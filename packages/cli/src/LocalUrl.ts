import { HttpServer } from "effect/http"

/** The address to call from this machine; one that listens on every interface is called here. */
export const localUrl = (server: HttpServer.HttpServer["Service"]): string =>
  HttpServer.formatAddress(server.address).replace(/\/\/(0\.0\.0\.0|127\.0\.0\.1|\[::1?\])/, "//localhost")
