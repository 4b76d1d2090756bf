/**
 * One request with the credential of the session, over any HTTP library.
 *
 * For the gateway's origin only. A refused credential is renewed once and the request repeated once. Only a 401 leads
 * to a repetition of a request that is not idempotent: the gateway refused it before any service received it.
 */

import { abortable } from "./clock.js";
import type { Credential } from "./session/credential.js";
import { ApiError } from "./errors.js";
import type { SessionKeeper } from "./session/keeper.js";
import { type Answer, discard, type Transport } from "./transport.js";

/** RFC 9110 9.2.2: the server may execute these twice. */
const IDEMPOTENT = /^(GET|HEAD|OPTIONS|PUT|DELETE)$/;
const SAFE = /^(GET|HEAD|OPTIONS)$/;

/** A log-in or a refresh brings its own credential. */
const OWN_CREDENTIAL = /^\/(auth\/jwt|session)\/(?!ticket)/;

/** Milliseconds before its end at which an access token is replaced ahead of a body that can be sent once only. */
const STREAM_MARGIN = 30_000;

/** What a request is, apart from its content. */
export interface ExchangeRequest {
  readonly url: URL;
  readonly method: string;
  readonly signal?: AbortSignal | null | undefined;
  /** Whether the body can be sent a second time; a stream cannot. */
  readonly replayable: boolean;
  /** Whether the caller set an Authorization field, which then stays as it is. */
  readonly hasOwnCredential: boolean;
}

/** What an attempt adds to a request. */
export interface Authorization {
  readonly headers: Readonly<Record<string, string>>;
  /** In cookie mode: whether the browser adds its cookie. */
  readonly credentials?: "include" | "omit";
}

/** Sends a request, as often as the rules say. */
export type Exchange = <A extends Answer>(request: ExchangeRequest, send: (authorization: Authorization) => Promise<A>) => Promise<A>;

/** Return the exchange of a session. `ready` returns undefined once the storage was read. */
export function exchangeOf(
  transport: Transport,
  keeper: SessionKeeper,
  cookies: boolean,
  ready: () => Promise<void> | undefined,
): Exchange {
  const authorizationOf = (credential: Credential | null, method: string): Authorization => {
    if (!cookies) return { headers: credential ? { Authorization: `Bearer ${credential.access}` } : {} };
    return { headers: SAFE.test(method) ? {} : { "X-Requested-With": "fetch" }, credentials: credential ? "include" : "omit" };
  };

  return async ({ url, method, signal, replayable, hasOwnCredential }, send) => {
    if (url.origin !== transport.base.origin) return send({ headers: {} });
    const attempt = (authorization: Authorization) => {
      const used = keeper.credential;
      const repeatable = replayable && IDEMPOTENT.test(method) && (async () => keeper.isFor(used));
      return transport.sendWithRetries(() => send(authorization), repeatable, signal);
    };
    if (hasOwnCredential || OWN_CREDENTIAL.test(url.pathname)) return attempt({ headers: {} });
    // No `await` on the usual way to `send`: a request with `keepalive` must leave before the page is gone.
    const waiting = ready();
    if (waiting) await abortable(waiting, signal);
    keeper.flush();
    const ahead = keeper.credential;
    if (!replayable && ahead && ahead.expiresAt < transport.clock.now() + STREAM_MARGIN) {
      await abortable(keeper.renew(ahead), signal);
      if (keeper.credential && !keeper.isFor(ahead)) throw notRepeatable();
    }
    for (let isFinal = false; ; ) {
      const used = keeper.credential;
      const answer = await attempt(authorizationOf(used, method));
      const isLate = keeper.credential !== used;
      if (answer.status !== 401 || !used || isFinal || !(await abortable(keeper.renew(used), signal))) return answer;
      if (!replayable) throw notRepeatable();
      discard(answer);
      // One that was there before the 401, or that another tab stored, may have expired as well: then once more.
      isFinal = !isLate && keeper.isFromServer;
    }
  };
}

function notRepeatable(): ApiError {
  return new ApiError(401, "not_repeatable", "Send a new stream.");
}
