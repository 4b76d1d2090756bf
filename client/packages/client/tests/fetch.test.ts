/** Requests: what is sent, to whom, how often, and how each one ends. */

import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

import { ApiError, createClient, memoryStorage, NetworkError, SignedOutError } from "../src/index.js";
import { ANN, outcomes, setUp, signedIn } from "./support/clients.js";
import { problem } from "./support/fake-gateway.js";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe("no credential leaves the gateway's origin", () => {
  const targets = [
    "https://evil.test/api/notes/",
    "//evil.test/api/notes/",
    "\\\\evil.test/api/notes/",
    "https://gateway.test.evil.test/",
    "https://gateway.test:444/",
    "http://gateway.test/",
    new URL("https://evil.test/"),
    new Request("https://evil.test/", { method: "POST", body: "x" }),
  ];
  for (const mode of ["token", "cookie"] as const) {
    for (const target of targets) {
      test(`${mode} mode: ${target instanceof Request ? `Request ${target.url}` : String(target)}`, async () => {
        const sent: Request[] = [];
        const { gateway, tab } = await signedIn({ mode });
        const client = await tab({
          fetch: async (input, init) => {
            const request = new Request(input, init);
            if (new URL(request.url).origin === gateway.url) return gateway.fetch(input, init);
            sent.push(request);
            return new Response(null, { status: 401 });
          },
        });
        expect((await client.fetch(target)).status).toBe(401);
        expect(sent).toHaveLength(1);
        expect(sent[0]!.headers.has("authorization")).toBe(false);
        expect(sent[0]!.credentials).not.toBe("include");
      });
    }
  }
});

test("a redirect to another origin gets no token", async () => {
  vi.useRealTimers();
  const seen: (string | undefined)[] = [];
  const other = createServer((request, response) => {
    seen.push(request.headers.authorization);
    response.end("{}");
  }).listen(0, "127.0.0.1");
  await once(other, "listening");
  const { port } = other.address() as AddressInfo;
  const gateway = createServer((request, response) => {
    seen.push(request.headers.authorization);
    response.writeHead(307, { Location: `http://127.0.0.1:${port}/` }).end();
  }).listen(0, "127.0.0.1");
  await once(gateway, "listening");
  const url = `http://127.0.0.1:${(gateway.address() as AddressInfo).port}`;
  const storage = memoryStorage();
  await storage.set("sallyport", JSON.stringify({ access: "secret", refresh: "secret", user: { id: "1" } }));
  const client = createClient({ url, storage });
  expect((await client.fetch("/api/notes/")).status).toBe(200);
  expect(seen).toEqual(["Bearer secret", undefined]);
  for (const server of [gateway, other]) {
    server.closeAllConnections();
    server.close();
  }
});

test("relative URLs are those of the gateway", async () => {
  const { gateway, client } = await signedIn();
  await client.fetch("/api/notes/?search=a");
  await client.fetch("api/notes/");
  await client.fetch(new URL("/api/notes/", gateway.url));
  expect(gateway.received.map(({ path }) => path)).toEqual(["/api/notes/", "/api/notes/", "/api/notes/"]);
});

test("a URL of the gateway without http is refused when the client is created", () => {
  expect(() => createClient({ url: "gateway.test:8000" })).toThrow("url must begin with http:// or https://");
});

describe("a body is sent again after a 401", () => {
  const form = new FormData();
  form.set("file", new Blob(["content"]), "name.txt");
  const bodies: Record<string, BodyInit> = {
    text: "content",
    FormData: form,
    Blob: new Blob(["content"]),
    URLSearchParams: new URLSearchParams({ a: "content" }),
    ArrayBuffer: new TextEncoder().encode("content").buffer,
  };
  for (const [name, body] of Object.entries(bodies)) {
    test(name, async () => {
      const { gateway, client } = await signedIn();
      gateway.expireAccessTokens();
      const response = await client.fetch("/api/notes/", { method: "POST", body });
      expect(response.status).toBe(200);
      const sent = gateway.received.filter(({ path }) => path === "/api/notes/");
      expect(sent.map((request) => request.body.includes("content"))).toEqual([true, true]);
    });
  }

  test("Request with a body and a header field", async () => {
    const { gateway, client } = await signedIn();
    gateway.expireAccessTokens();
    const request = new Request(`${gateway.url}/api/notes/`, { method: "PUT", body: "content", headers: { "X-Mine": "1" } });
    expect((await client.fetch(request)).status).toBe(200);
    const sent = gateway.received.filter(({ path }) => path === "/api/notes/");
    expect(sent.map(({ method, body, headers }) => [method, body, headers.get("x-mine")])).toEqual([
      ["PUT", "content", "1"],
      ["PUT", "content", "1"],
    ]);
  });
});

describe("a stream is sent once", () => {
  const stream = () => new Blob(["content"]).stream();

  test("with a token that is renewed before, if it is about to expire", async () => {
    const { gateway, client } = await signedIn();
    vi.setSystemTime(Date.now() + 290_000);
    gateway.expireAccessTokens();
    const init = { method: "POST", body: stream(), duplex: "half" };
    expect((await client.fetch("/api/upload", init)).status).toBe(200);
    expect(gateway.received.map(({ path }) => path)).toEqual(["/auth/jwt/refresh/", "/api/upload"]);
  });

  test("and a 401 is an error that says what to do, after the token was renewed", async () => {
    const { gateway, client } = await signedIn();
    gateway.expireAccessTokens();
    const send = () => client.fetch("/api/upload", { method: "POST", body: stream(), duplex: "half" } as RequestInit);
    await expect(send()).rejects.toMatchObject({ status: 401, code: "not_repeatable" });
    expect(gateway.count("/api/upload")).toBe(1);
    expect((await send()).status).toBe(200);
  });
});

test("an aborted request rejects at once while it waits for a refresh, and the refresh goes on", async () => {
  const { gateway, client } = await signedIn();
  gateway.expireAccessTokens();
  gateway.fail("/auth/jwt/refresh/", problem(503, "auth_unavailable", { "Retry-After": "5" }));
  const controller = new AbortController();
  const aborted = client.fetch("/api/notes/", { signal: controller.signal });
  const other = client.fetch("/api/notes/");
  await vi.advanceTimersByTimeAsync(1000);
  controller.abort();
  await expect(aborted).rejects.toMatchObject({ name: "AbortError" });
  await vi.advanceTimersByTimeAsync(5000);
  expect((await other).status).toBe(200);
  expect(client.session.current.offline).toBe(false);
});

test("an aborted request rejects at once while it waits out a 503, also when the signal is of a Request", async () => {
  const { gateway, client } = await signedIn();
  gateway.fail("/api/notes/", problem(503, "draining", { "Retry-After": "5" }));
  const controller = new AbortController();
  const answer = client.fetch(new Request(`${gateway.url}/api/notes/`, { signal: controller.signal }));
  await vi.advanceTimersByTimeAsync(1000);
  controller.abort(new Error("by the user"));
  await expect(answer).rejects.toThrow("by the user");
});

describe("a refusal for the moment", () => {
  test("is waited out for a request that may be sent twice", async () => {
    const { gateway, client } = await signedIn();
    gateway.fail("/api/notes/", problem(503, "draining", { "Retry-After": "1" }), problem(429, "rate_limited", { "Retry-After": "2" }));
    const answer = client.fetch("/api/notes/");
    await vi.advanceTimersByTimeAsync(3000);
    expect((await answer).status).toBe(200);
    expect(gateway.count("/api/notes/")).toBe(3);
  });

  test("as a date is compared with the server's clock, not with the user's", async () => {
    const { gateway, client } = await signedIn();
    const headers = { "Retry-After": "Sat, 01 Jan 2000 00:00:03 GMT", Date: "Sat, 01 Jan 2000 00:00:00 GMT" };
    gateway.fail("/api/notes/", problem(503, "draining", headers));
    const answer = client.fetch("/api/notes/");
    await vi.advanceTimersByTimeAsync(3000);
    expect((await answer).status).toBe(200);
  });

  test("is returned if it lasts longer than the client waits", async () => {
    const { gateway, client } = await signedIn();
    gateway.fail("/api/notes/", problem(429, "rate_limited", { "Retry-After": "11" }));
    expect((await client.fetch("/api/notes/")).status).toBe(429);
  });

  test("never leads to a second POST", async () => {
    const { gateway, client } = await signedIn();
    gateway.fail("/api/notes/", problem(503, "draining", { "Retry-After": "1" }));
    expect((await client.fetch("/api/notes/", { method: "POST" })).status).toBe(503);
    expect(gateway.count("/api/notes/")).toBe(1);
  });

  test("with Retry-After: 0 ends after the same time", async () => {
    const { gateway, client } = await signedIn();
    gateway.fail("/api/notes/", ...Array.from({ length: 20 }, () => problem(503, "draining", { "Retry-After": "0" })));
    const answer = client.fetch("/api/notes/");
    await vi.advanceTimersByTimeAsync(10_000);
    expect((await answer).status).toBe(503);
    expect(gateway.count("/api/notes/")).toBe(11);
  });
});

test("a request whose answer was lost is not sent again", async () => {
  const { gateway, client } = await signedIn();
  gateway.fail("/api/notes/", "lost-after");
  await expect(client.fetch("/api/notes/", { method: "POST" })).rejects.toBeInstanceOf(NetworkError);
  expect(gateway.count("/api/notes/")).toBe(1);
  expect(client.session.current).toMatchObject({ status: "signed-in", offline: true });
  await client.fetch("/api/notes/");
  expect(client.session.current.offline).toBe(false);
});

test("a 403 and a 500 are returned, and sign nobody out", async () => {
  const { gateway, client } = await signedIn();
  gateway.fail("/api/notes/", problem(500, "internal_error"));
  expect(await outcomes([client.fetch("/forbidden"), client.fetch("/api/notes/")])).toEqual([403, 500]);
  expect(client.session.current.status).toBe("signed-in");
});

test("a request with keepalive leaves before the page is gone", async () => {
  const { gateway, tab } = await signedIn();
  const sent: string[] = [];
  const leaving = await tab({ fetch: async (input) => (sent.push(String(input)), new Response()) });
  void leaving.fetch("/api/bye", { method: "POST", keepalive: true });
  expect(sent).toEqual([`${gateway.url}/api/bye`]);
});

test("an Authorization field of the caller stays, and its 401 renews nothing", async () => {
  const { gateway, client } = await signedIn();
  gateway.fail("/api/notes/", problem(401, "token_invalid"));
  expect((await client.fetch("/api/notes/", { headers: { authorization: "Basic x" } })).status).toBe(401);
  expect(gateway.received.map(({ authorization }) => authorization)).toEqual(["Basic x"]);
});

test("nobody is signed in: a request has no token, and its 401 is returned", async () => {
  const { gateway, client } = await setUp();
  expect((await client.fetch("/api/notes/")).status).toBe(401);
  expect(gateway.received[0]!.authorization).toBe(null);
  await expect(client.json("/api/notes/")).rejects.toBeInstanceOf(SignedOutError);
});

describe("errors name the fields", () => {
  const cases: [string, Response, Partial<ApiError>][] = [
    ["djoser's fields", Response.json({ email: ["Taken."], password: ["Short.", "Common."] }, { status: 400 }), { detail: "Taken.", fields: { email: ["Taken."], password: ["Short.", "Common."] } }],
    ["djoser's detail", Response.json({ detail: "Not found." }, { status: 404 }), { detail: "Not found.", fields: {} }],
    ["problem details", Response.json({ title: "Some fields are not valid.", code: "invalid_fields", detail: "email: Bad.", errors: { email: ["Bad."] } }, { status: 400 }), { code: "invalid_fields", detail: "email: Bad.", fields: { email: ["Bad."] } }],
    ["a page of a proxy", new Response("<html>", { status: 502 }), { detail: "The server answered 502." }],
    ["no body", new Response(null, { status: 400, headers: { "X-Request-Id": "r-1" } }), { detail: "The server answered 400.", requestId: "r-1" }],
    ["JSON that is no object", Response.json(["x"], { status: 400 }), { detail: "The server answered 400.", fields: {} }],
    ["Retry-After", problem(429, "rate_limited", { "Retry-After": "77" }), { code: "rate_limited", retryAfter: 77 }],
  ];
  for (const [name, response, expected] of cases) {
    test(name, async () => {
      const { gateway, client } = await setUp();
      gateway.fail("/auth/users/", response);
      const error = await client.register(ANN).catch((caught: unknown) => caught);
      expect(error).toBeInstanceOf(ApiError);
      expect(error).toMatchObject(expected);
    });
  }
});

test("json sends JSON, and returns undefined for an empty response", async () => {
  const { gateway, client } = await signedIn();
  expect(await client.json("/api/notes/", { json: { title: "First" } })).toMatchObject({ body: '{"title":"First"}' });
  expect(gateway.received[0]).toMatchObject({ method: "POST" });
  expect(gateway.received[0]!.headers.get("content-type")).toBe("application/json");
  gateway.fail("/api/notes/1/", new Response(null, { status: 204 }));
  expect(await client.json("/api/notes/1/", { method: "DELETE" })).toBe(undefined);
});
