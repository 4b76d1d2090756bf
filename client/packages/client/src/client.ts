/** The client: `createClient` builds its parts and connects them. */

import { type Json, sessionsApi, usersApi } from "./accounts.js";
import type { BrowserSession, LogIn, Register, User } from "./api-types.js";
import { authorizedFetch } from "./authorized-fetch.js";
import { type Clock, systemClock } from "./clock.js";
import { credentialOf } from "./session/credential.js";
import { type EventsOptions, type EventStream, openEvents } from "./streams/events.js";
import { type Exchange, exchangeOf } from "./exchange.js";
import { SessionKeeper, type SignOutReason } from "./session/keeper.js";
import { type SessionSource, SessionStateHolder } from "./session/state.js";
import { type SessionStorage, webStorage } from "./session/storage.js";
import { tokensOf, Transport } from "./transport.js";
import { watchConnection } from "./connection-watch.js";
import { openWebSocket, type WebSocketOptions } from "./streams/web-socket.js";

/** The options of `createClient`. Only `url` is required. */
export interface ClientOptions {
  /** The URL of the gateway. Its origin is the only one that ever receives a credential. */
  readonly url: string | URL;
  /** Who holds the tokens: this client (default), or the gateway behind a cookie, for pages of the gateway's site. */
  readonly mode?: "token" | "cookie";
  /** Where the session is kept. Default: `webStorage()`. */
  readonly storage?: SessionStorage;
  /** The name of the stored value. Default: "sallyport". */
  readonly storageKey?: string;
  /** Longest wait, in seconds, for a server that answers 429 or 503 with Retry-After. Default: 10. */
  readonly maxWaitSeconds?: number;
  /** Called when a signed-in user is signed out, with the reason. */
  readonly onSignedOut?: (reason: SignOutReason) => void;
  /** Called when the session could not be read or stored: the user may have to log in after a restart. */
  readonly onStorageError?: (error: unknown) => void;
  /** Default: the platform's. */
  readonly fetch?: typeof globalThis.fetch;
  /** Default: the platform's. */
  readonly EventSource?: new (url: string) => EventSource;
  /** Default: the platform's. */
  readonly clock?: Clock;
}

/** The result of a registration. */
export interface Registration {
  readonly user: User;
  /** Whether the user is logged in. If not, the address must be activated first, or `error` says what failed. */
  readonly signedIn: boolean;
  readonly error: unknown;
}

/** A client of one gateway, for one user at a time. */
export interface Client {
  /** Who is signed in. */
  readonly session: SessionSource;
  /** Resolves when `session.current.status` is not "loading" any more. Never rejects. */
  readonly ready: Promise<void>;
  /** Log in. Rejects with an ApiError: status 401 for wrong credentials. */
  logIn(credentials: LogIn): Promise<User | null>;
  /** Register, and log in. Rejects with an ApiError that has `fields`. */
  register(registration: Register): Promise<Registration>;
  /** Sign out here at once, then end the session at the server. Resolves to whether the server confirmed it. */
  logOut(): Promise<boolean>;
  /** `fetch` with the session's credential. A 401 that it returns is final. */
  readonly fetch: typeof globalThis.fetch;
  /** Send and receive JSON. Rejects with an ApiError for an error status. */
  readonly json: Json;
  /** Requests about the user. */
  readonly users: ReturnType<typeof usersApi>;
  /** Requests about the sessions of the user's devices. */
  readonly sessions: ReturnType<typeof sessionsApi>;
  /** Open a stream of server-sent events. It resumes after interruptions and ends when the user signs out. */
  events(path: string, options: EventsOptions): EventStream;
  /** Open a WebSocket. */
  webSocket(path: string, options?: WebSocketOptions): Promise<WebSocket>;
  /** Ask the gateway who is signed in, for example when an app is resumed. Resolves in any case. */
  check(): Promise<void>;
  /** Stop listening to other tabs and to the window. */
  close(): void;
  /** For adapters of other HTTP libraries: send one request by the rules of `fetch`. */
  readonly exchange: Exchange;
}

/** Create a client. */
export function createClient(options: ClientOptions): Client {
  const base = new URL(options.url, globalThis.location?.href);
  if (!/^https?:$/.test(base.protocol)) throw new TypeError(`url must begin with http:// or https://; got "${options.url}"`);
  const cookies = options.mode === "cookie";
  const clock = options.clock ?? systemClock;
  const state = new SessionStateHolder();
  const send: typeof fetch = options.fetch ?? ((input, init) => globalThis.fetch(input, init));
  const transport = new Transport(base, send, clock, options.maxWaitSeconds ?? 10, state);
  const { storage = webStorage(), storageKey: key = "sallyport", onSignedOut, onStorageError } = options;
  const keeper = new SessionKeeper({ cookies, key, storage, transport, state, onSignedOut, onStorageError });

  let isReady = false;
  const ready = start().finally(() => (isReady = true));
  const exchange = exchangeOf(transport, keeper, cookies, () => (isReady ? undefined : ready));
  const authorized = authorizedFetch(exchange, base, send);

  const json: Json = async (path, { json: value, ...init } = {}) => {
    const headers = new Headers(init.headers);
    if (value !== undefined && !headers.has("content-type")) headers.set("content-type", "application/json");
    const body = value === undefined ? {} : { method: "POST", body: JSON.stringify(value) };
    const response = await authorized(transport.urlOf(path), { ...body, ...init, headers });
    return read(response, state.current.status === "signed-out");
  };
  const forget = () => keeper.clear("log-out");
  const users = usersApi(json, (user) => keeper.keepUser(user), forget);

  async function start(): Promise<void> {
    await keeper.readStorage();
    if (cookies && !keeper.credential) await ignoreFailure(keeper.readCookieSession());
    if (!keeper.credential) state.update({ status: "signed-out" });
    else if (cookies || !state.current.user) void Promise.resolve().then(check);
  }

  async function check(): Promise<void> {
    await keeper.readStorage();
    if (cookies) await ignoreFailure(keeper.readCookieSession());
    else if (keeper.credential) await ignoreFailure(users.me());
    else await ignoreFailure(transport.call({ method: "GET", path: "/healthz", repeatable: false }));
  }

  /** The page is shown again, perhaps after hours in the background or in the back/forward cache. */
  async function wake(): Promise<void> {
    await keeper.readStorage();
    if (cookies || state.current.offline) await check();
  }

  async function read<T>(response: Response, signedOut = false): Promise<T> {
    if (!response.ok) throw await transport.errorOf(response, signedOut && response.status === 401);
    const text = await response.text();
    return (text ? JSON.parse(text) : undefined) as T;
  }

  async function logIn(credentials: LogIn): Promise<User | null> {
    await ready;
    const { email, password } = credentials;
    const call = { method: "POST", body: { email, password }, repeatable: true };
    if (cookies) {
      const init: RequestInit = { credentials: "include" };
      const { user } = await read<BrowserSession>(await transport.call({ ...call, path: "/session/", init }));
      await keeper.begin(credentialOf("", "", user), user);
      return user;
    }
    const response = await transport.call({ ...call, path: "/auth/jwt/create/" });
    if (!response.ok) await read(response);
    const { access, refresh } = await tokensOf(response);
    const replaced = keeper.credential;
    await keeper.begin(credentialOf(access, refresh ?? "", null), null);
    if (replaced) void keeper.endAtServer(replaced);
    await ignoreFailure(users.me());
    return state.current.user;
  }

  async function register(registration: Register): Promise<Registration> {
    const call = { method: "POST", path: "/auth/users/", body: registration, repeatable: false };
    const user = await read<User>(await transport.call(call));
    try {
      await logIn(registration);
      return { user, signedIn: true, error: null };
    } catch (error) {
      return { user, signedIn: false, error };
    }
  }

  async function logOut(): Promise<boolean> {
    await ready;
    const { credential } = keeper;
    if (!credential) return true;
    await keeper.clear("log-out", cookies);
    return keeper.endAtServer(credential);
  }

  const stopWatching = watchConnection(state, clock, check, wake);
  const unsubscribe = storage.subscribe?.(key, () => void keeper.readStorage());

  return {
    session: state,
    ready,
    logIn,
    register,
    logOut,
    fetch: authorized,
    json,
    users,
    sessions: sessionsApi(json, forget),
    events: (path, eventsOptions) => {
      const EventSource = options.EventSource ?? globalThis.EventSource;
      return openEvents({ json, transport, session: state, EventSource }, path, eventsOptions);
    },
    webSocket: (path, socketOptions) => openWebSocket(json, transport, path, socketOptions),
    check,
    close: () => {
      stopWatching();
      unsubscribe?.();
    },
    exchange,
  };
}

/** Wait for a request whose failure changes nothing: `session.current.offline` shows a lost connection. */
async function ignoreFailure(work: Promise<unknown>): Promise<void> {
  await work.catch(() => undefined);
}
