/** `fetch` with the credential of the session. Relative URLs are those of the gateway. */

import type { Exchange } from "./exchange.js";

/** Return a `fetch` whose requests go through `exchange`. */
export function authorizedFetch(exchange: Exchange, base: URL, plainFetch: typeof globalThis.fetch): typeof globalThis.fetch {
  return async (input, init = {}) => {
    const request = typeof input === "object" && "url" in input ? input : undefined;
    const url = new URL(request?.url ?? String(input), base);
    const headers = new Headers(init.headers ?? request?.headers);
    const method = (init.method ?? request?.method ?? "GET").toUpperCase();
    const exchanged = {
      url,
      method,
      signal: init.signal ?? request?.signal,
      replayable: !isStream(init.body),
      hasOwnCredential: headers.has("authorization"),
    };
    return exchange(exchanged, ({ headers: added, ...credentials }) => {
      const own = new Headers(headers);
      for (const [name, value] of Object.entries(added)) own.set(name, value);
      const options: RequestInit = { ...init, ...credentials, headers: own };
      // A Request's body can be read once: each attempt gets a copy.
      return request ? plainFetch(new Request(request.clone(), options)) : plainFetch(url.href, options);
    });
  };
}

function isStream(body: BodyInit | null | undefined): boolean {
  return typeof body === "object" && body !== null && ("getReader" in body || Symbol.asyncIterator in body);
}
