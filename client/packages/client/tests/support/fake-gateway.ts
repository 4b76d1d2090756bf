/** A gateway in memory, as strict as the real one: a refresh token that was replaced and is not forgiven ends its session. */

const BASE = "https://gateway.test";

/** What happens to the next request for a path; its answer arrives after a promise. */
export type Fault = "lost-before" | "lost-after" | "hangs" | Response | Promise<void>;

/** A request as the gateway received it. */
export interface Received {
  readonly method: string;
  readonly path: string;
  readonly authorization: string | null;
  readonly credentials: RequestCredentials | undefined;
  readonly headers: Headers;
  readonly body: string;
}

interface Session {
  readonly email: string;
  generation: number;
  seen: number;
  live: boolean;
}

export class FakeGateway {
  readonly url = BASE;
  readonly received: Received[] = [];
  /** Whether a replaced refresh token still returns its successor, as within the grace time. */
  grace = true;
  /** The session of the browser's cookie. */
  cookie: string | null = null;
  private readonly sessions = new Map<string, Session>();
  private readonly faults = new Map<string, Fault[]>();
  private accessEpoch = 0;

  /** Let all access tokens that were issued until now expire. */
  expireAccessTokens(): void {
    this.accessEpoch++;
  }

  /** Let every session end, as by another device. */
  endSessions(): void {
    for (const session of this.sessions.values()) session.live = false;
  }

  liveSessions(): number {
    return [...this.sessions.values()].filter(({ live }) => live).length;
  }

  /** Let this happen to the next requests for `path`. */
  fail(path: string, ...faults: Fault[]): void {
    this.faults.set(path, [...(this.faults.get(path) ?? []), ...faults]);
  }

  count(path: string): number {
    return this.received.filter((request) => request.path === path).length;
  }

  readonly fetch: typeof globalThis.fetch = async (input, init = {}) => {
    const request = new Request(input, { ...init, ...(init.body instanceof ReadableStream ? { duplex: "half" } : {}) } as RequestInit);
    const url = new URL(request.url);
    const received = {
      method: request.method,
      path: url.pathname,
      authorization: request.headers.get("authorization"),
      credentials: init.credentials,
      headers: request.headers,
      body: await request.clone().text(),
    };
    if (url.origin !== BASE) throw new Error(`The request went to ${url.origin}.`);
    this.received.push(received);
    const fault = this.faults.get(url.pathname)?.shift();
    if (fault === "hangs") return new Promise((_, reject) => request.signal.addEventListener("abort", () => reject(request.signal.reason)));
    if (fault === "lost-before") throw new TypeError("fetch failed");
    if (fault instanceof Response) return fault;
    const response = this.answer(received);
    if (fault instanceof Promise) await fault;
    if (fault === "lost-after") throw new TypeError("fetch failed");
    return response;
  };

  private answer({ method, path, authorization, credentials, body }: Received): Response {
    const json = body ? parse(body) : {};
    if (path === "/auth/users/" && method === "POST") return Response.json(userOf(json["email"]!), { status: 201 });
    if (path === "/auth/jwt/create/") {
      if (json["password"] !== "good") return Response.json({ detail: "No active account found with the given credentials" }, { status: 401 });
      return Response.json(this.pair(this.open(json["email"]!)));
    }
    if (path === "/auth/jwt/refresh/") return this.refresh(json["refresh"]!);
    if (path === "/auth/jwt/blacklist/") {
      const session = this.sessions.get(claims(json["refresh"]!).sid);
      if (session) session.live = false;
      return Response.json({});
    }
    if (path === "/session/") return this.cookieSession(method, json);
    if (path === "/healthz") return Response.json({});
    const cookie = credentials === "include" ? this.cookie : null;
    const session = authorization ? this.sessionOf(authorization.slice(7)) : cookie ? this.sessions.get(cookie) : undefined;
    if (!session?.live) return problem(401, authorization ? "token_expired" : "no_credentials");
    if (path === "/auth/users/me/") return Response.json(userOf(session.email));
    if (path === "/session/ticket") return Response.json({ ticket: `ticket-${this.received.length}`, expires_in: 30 });
    if (path === "/forbidden") return problem(403, "insufficient_scope");
    return Response.json({ path, email: session.email, body });
  }

  private open(email: string): string {
    const sid = `session-${this.sessions.size + 1}`;
    this.sessions.set(sid, { email, generation: 1, seen: 1, live: true });
    return sid;
  }

  private refresh(token: string): Response {
    const { sid, generation } = claims(token);
    const session = this.sessions.get(sid);
    if (session?.live) {
      if (generation === session.generation) {
        session.seen = generation;
        session.generation++;
        return Response.json(this.pair(sid));
      }
      if (this.grace || (generation === session.generation - 1 && session.seen < session.generation)) return Response.json(this.pair(sid));
      session.live = false; // a replay
    }
    return Response.json({ detail: "Token is invalid", code: "token_not_valid" }, { status: 401 });
  }

  private cookieSession(method: string, json: Record<string, string>): Response {
    if (method === "POST") {
      if (json["password"] !== "good") return Response.json({ detail: "No active account" }, { status: 401 });
      this.cookie = this.open(json["email"]!);
    }
    const session = this.cookie ? this.sessions.get(this.cookie) : undefined;
    if (method === "DELETE") {
      if (session) session.live = false;
      this.cookie = null;
      return new Response(null, { status: 204 });
    }
    return session?.live ? Response.json({ user: userOf(session.email), expires_at: 1 }) : problem(401, "no_credentials");
  }

  private sessionOf(access: string): Session | undefined {
    const { sid, generation, epoch } = claims(access);
    const session = this.sessions.get(sid);
    if (!session || epoch !== this.accessEpoch) return undefined;
    session.seen = Math.max(session.seen, generation);
    return session;
  }

  private pair(sid: string) {
    const { generation, email } = this.sessions.get(sid)!;
    const common = { sid, generation, sub: userOf(email).id, exp: Math.floor(Date.now() / 1000) + 300 };
    return { access: jwt({ ...common, epoch: this.accessEpoch }), refresh: jwt(common) };
  }
}

export function problem(status: number, code: string, headers: Record<string, string> = {}): Response {
  return Response.json({ title: code, status, code, detail: `It was refused: ${code}.` }, { status, headers });
}

export function userOf(email: string) {
  return { id: `id-of-${email}`, email, first_name: "", last_name: "" };
}

function parse(body: string): Record<string, string> {
  try {
    return JSON.parse(body);
  } catch {
    return {};
  }
}

function jwt(payload: object): string {
  return `e30.${btoa(JSON.stringify(payload)).replace(/\+/g, "-").replace(/\//g, "_").replace(/=/g, "")}.x`;
}

function claims(token: string): { sid: string; generation: number; epoch: number } {
  return JSON.parse(atob(token.split(".")[1]?.replace(/-/g, "+").replace(/_/g, "/") ?? "e30="));
}
