/** Requests to the gateway without a credential: lost answers, refusals for the moment, deadlines. */

import type { TokenPair } from "./api-types.js";
import { type Clock, sleep, withDeadline } from "./clock.js";
import { ApiError, apiErrorOf, NetworkError } from "./errors.js";
import type { SessionStateHolder } from "./session/state.js";

/** Seconds after which a request of the kit itself counts as lost. */
const DEADLINE_SECONDS = 30;

/** A response of any HTTP library. */
export interface Answer {
  readonly status: number;
  readonly headers: { get(name: string): unknown };
}

/** Whether the server may receive a request again; a function decides before each repetition. */
export type Repeatable = boolean | (() => Promise<boolean>);

/** What the kit sends by itself. */
export interface Call {
  readonly method: string;
  readonly path: string;
  readonly body?: object;
  readonly repeatable: Repeatable;
  /** Further options of `fetch`. */
  readonly init?: RequestInit;
}

/** Sends requests, and keeps `state.offline`. */
export class Transport {
  constructor(
    readonly base: URL,
    readonly fetch: typeof globalThis.fetch,
    readonly clock: Clock,
    private readonly maxWaitSeconds: number,
    private readonly state: SessionStateHolder,
  ) {}

  /**
   * Send, and send again after a 429 or 503 with Retry-After while the waits add up to `maxWaitSeconds` at most.
   *
   * Rejects with a NetworkError if there is no answer, and with the reason of `signal` if it aborted.
   */
  async sendWithRetries<A extends Answer>(
    start: () => Promise<A>,
    repeatable: Repeatable,
    signal?: AbortSignal | null,
  ): Promise<A> {
    for (let waited = 0; ; ) {
      const answer = await start().catch((error: unknown) => this.fail(error, signal));
      this.state.update({ offline: false });
      const seconds = this.retryAfter(answer);
      if (!repeatable || seconds === null || waited + seconds > this.maxWaitSeconds) return answer;
      waited += seconds;
      await sleep(this.clock, seconds * 1000, signal);
      if (typeof repeatable === "function" && !(await repeatable())) return answer;
      discard(answer);
    }
  }

  /** Send a request of the kit, and read its response. An answer that does not come in time is a lost one. */
  call({ method, path, body, repeatable, init }: Call): Promise<Response> {
    const headers: Record<string, string> = { "X-Requested-With": "fetch" };
    if (body) headers["Content-Type"] = "application/json";
    const start = async (signal: AbortSignal) => {
      const text = body ? { body: JSON.stringify(body) } : {};
      // The body has a token or a password, which a redirect would send to another server.
      const redirect = "error";
      const response = await this.fetch(this.urlOf(path).href, { ...init, ...text, method, headers, signal, redirect });
      return new Response((await response.text()) || null, response);
    };
    return this.sendWithRetries(() => withDeadline(this.clock, DEADLINE_SECONDS, start), repeatable);
  }

  private fail(error: unknown, signal?: AbortSignal | null): never {
    if (signal?.aborted) throw error;
    this.state.update({ offline: true });
    // A browser gives a script no reason: it also hides the answer to an origin that is not allowed.
    const reasons = "no network, gateway down, or origin not in ALLOWED_ORIGINS";
    throw new NetworkError(`No answer from ${this.base.origin}: ${reasons}.`, { cause: error });
  }

  /** Return the error that a response reports. */
  errorOf(response: Response, signedOut = false): Promise<ApiError> {
    return apiErrorOf(response, this.retryAfter(response), signedOut);
  }

  /** Return the URL of a path of the gateway. */
  urlOf(path: string): URL {
    return new URL(path, this.base);
  }

  /** Return the seconds after which a refused request may be repeated, 1 at least; null if it was not refused so. */
  retryAfter({ status, headers }: Answer): number | null {
    const value = String(headers.get("retry-after") ?? "");
    if ((status !== 429 && status !== 503) || !value) return null;
    const now = Date.parse(String(headers.get("date"))) || this.clock.now();
    const seconds = /^\d+$/.test(value) ? Number(value) : (Date.parse(value) - now) / 1000;
    return Number.isNaN(seconds) ? null : Math.max(1, seconds);
  }
}

/** Return the tokens in a response. Rejects with an ApiError if there are none: a captive portal answers 200, too. */
export async function tokensOf(response: Response): Promise<TokenPair> {
  const pair = (await response.json().catch(() => null)) as TokenPair | null;
  if (!pair?.access) throw new ApiError(response.status, "no_tokens", "The answer has no tokens.");
  return pair;
}

/** Free the connection of a response that nobody reads. */
export function discard(answer: Answer): void {
  if (answer instanceof Response) answer.body?.cancel().catch(() => undefined);
}
