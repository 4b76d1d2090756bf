/** Renewal of the credential within one client. */

import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

import { memoryStorage, type SessionStorage } from "../src/index.js";
import { ANN, latch, outcomes, signedIn } from "./support/clients.js";
import { problem } from "./support/fake-gateway.js";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const REFRESH = "/auth/jwt/refresh/";

test("five parallel requests with an expired token cause one refresh and get five answers", async () => {
  const { gateway, client } = await signedIn();
  gateway.expireAccessTokens();
  const answers = outcomes([1, 2, 3, 4, 5].map(() => client.fetch("/api/notes/")));
  expect(await answers).toEqual([200, 200, 200, 200, 200]);
  expect(gateway.count(REFRESH)).toBe(1);
});

test("a late 401 of an old token does not refresh again", async () => {
  const { gateway, client } = await signedIn();
  gateway.expireAccessTokens();
  const [late, release] = latch();
  gateway.fail("/slow", late);
  const slow = client.fetch("/slow");
  await client.fetch("/api/notes/");
  release();
  expect((await slow).status).toBe(200);
  expect(gateway.count("/slow")).toBe(2);
  expect(gateway.count(REFRESH)).toBe(1);
});

test("a late 401 of an old token leads to one refresh if the token after it has expired as well", async () => {
  const { gateway, client } = await signedIn();
  gateway.expireAccessTokens();
  const [late, release] = latch();
  gateway.fail("/slow", late);
  const slow = client.fetch("/slow");
  await client.fetch("/api/notes/");
  gateway.expireAccessTokens();
  release();
  expect((await slow).status).toBe(200);
  expect(gateway.count("/slow")).toBe(3);
  expect(gateway.count(REFRESH)).toBe(2);
});

test("after a refused refresh every waiting request gets its 401, and the user is signed out once", async () => {
  const { gateway, client, storage, signOuts } = await signedIn();
  gateway.endSessions();
  const answers = await outcomes([1, 2, 3, 4, 5].map(() => client.fetch("/api/notes/")));
  expect(answers).toEqual([401, 401, 401, 401, 401]);
  expect(gateway.count(REFRESH)).toBe(1);
  expect(signOuts).toEqual(["session-ended"]);
  expect(client.session.current).toEqual({ status: "signed-out", offline: false, user: null });
  expect(await storage.get("sallyport")).toBe("null");
  await client.logIn(ANN);
  expect((await client.fetch("/api/notes/")).status).toBe(200);
});

describe("a refresh that fails for another reason than a 401 signs nobody out, and no waiter hangs", () => {
  const faults = {
    "no network": ["lost-before", "lost-before"] as const,
    "429 without Retry-After": [problem(429, "rate_limited")],
    "403": [problem(403, "cross_site")],
    "500": [problem(500, "internal_error")],
    "503 for longer than the wait": [problem(503, "auth_unavailable", { "Retry-After": "60" })],
    "the page of a captive portal": [new Response("<html>", { status: 200 })],
    "an answer without tokens": [Response.json({})],
    "a page of a proxy": [new Response("<html>", { status: 502 })],
  };
  for (const [name, refusals] of Object.entries(faults)) {
    test(name, async () => {
      const { gateway, client, signOuts } = await signedIn();
      gateway.expireAccessTokens();
      gateway.fail(REFRESH, ...refusals);
      const answers = await outcomes([1, 2, 3].map(() => client.fetch("/api/notes/")));
      const error = name === "no network" ? "NetworkError" : "ApiError";
      expect(answers).toEqual([error, error, error]);
      expect(client.session.current).toMatchObject({ status: "signed-in", user: { email: ANN.email } });
      expect((await client.fetch("/api/notes/")).status).toBe(200);
      expect(signOuts).toEqual([]);
    });
  }
});

test("a refresh whose answer was lost is repeated, although the server has rotated the token", async () => {
  const { gateway, client } = await signedIn();
  gateway.grace = false;
  gateway.expireAccessTokens();
  gateway.fail(REFRESH, "lost-after");
  expect((await client.fetch("/api/notes/")).status).toBe(200);
  expect(gateway.count(REFRESH)).toBe(2);
});

test("a client that was killed after the server rotated continues with the stored token", async () => {
  const { gateway, client, tab } = await signedIn();
  gateway.grace = false;
  gateway.expireAccessTokens();
  gateway.fail(REFRESH, "lost-after", "lost-after");
  await expect(client.fetch("/api/notes/")).rejects.toThrow("No answer");
  const restarted = await tab();
  expect((await restarted.fetch("/api/notes/")).status).toBe(200);
});

test("new tokens are stored before any request uses them, also by a slow storage", async () => {
  const memory = memoryStorage();
  let finish = () => {};
  let slow = false;
  const storage: SessionStorage = {
    get: memory.get,
    set: async (key, value) => {
      if (slow) await new Promise<void>((resolve) => (finish = resolve));
      await memory.set(key, value);
    },
  };
  const { gateway, client } = await signedIn({ storage });
  gateway.expireAccessTokens();
  slow = true;
  const answer = client.fetch("/api/notes/");
  await vi.waitFor(() => expect(gateway.count(REFRESH)).toBe(1));
  const other = client.fetch("/api/other/");
  await vi.advanceTimersByTimeAsync(100);
  const tokens = () => new Set(gateway.received.filter(({ path }) => path.startsWith("/api/")).map(({ authorization }) => authorization));
  expect(tokens().size).toBe(1);
  finish();
  expect(await outcomes([answer, other])).toEqual([200, 200]);
  expect(tokens().size).toBe(2);
});

test("an answer about the user, while new tokens are stored, does not bring back the old ones", async () => {
  const memory = memoryStorage();
  const [stored, store] = latch();
  let slow = false;
  const storage: SessionStorage = {
    get: memory.get,
    set: async (key, value) => {
      if (slow) await stored;
      await memory.set(key, value);
    },
  };
  const { gateway, client, tab } = await signedIn({ storage });
  const [answered, answer] = latch();
  gateway.fail("/auth/users/me/", answered);
  const user = client.users.me();
  await vi.waitFor(() => expect(gateway.count("/auth/users/me/")).toBe(1));
  gateway.grace = false;
  gateway.expireAccessTokens();
  slow = true;
  const notes = client.fetch("/api/notes/");
  await vi.waitFor(() => expect(gateway.count(REFRESH)).toBe(1));
  answer();
  await vi.advanceTimersByTimeAsync(100);
  store();
  expect(await outcomes([notes])).toEqual([200]);
  await user;
  expect((await (await tab()).fetch("/api/notes/")).status).toBe(200);
  expect(gateway.count(REFRESH)).toBe(1);
});

test("a refresh that never gets an answer counts as lost after 30 seconds", async () => {
  const { gateway, client } = await signedIn();
  gateway.expireAccessTokens();
  gateway.fail(REFRESH, "hangs");
  const answer = client.fetch("/api/notes/");
  await vi.advanceTimersByTimeAsync(30_000);
  expect((await answer).status).toBe(200);
});

test("a refresh waits out a 503 with Retry-After", async () => {
  const { gateway, client } = await signedIn();
  gateway.expireAccessTokens();
  gateway.fail(REFRESH, problem(503, "auth_unavailable", { "Retry-After": "2" }));
  const answer = client.fetch("/api/notes/");
  await vi.advanceTimersByTimeAsync(2000);
  expect((await answer).status).toBe(200);
});

test("a server that does not rotate refresh tokens sends the access token alone", async () => {
  const { gateway, client, storage } = await signedIn();
  gateway.expireAccessTokens();
  const before = JSON.parse((await storage.get("sallyport"))!) as { refresh: string };
  gateway.fail(REFRESH, Response.json({ access: "opaque" }));
  expect((await client.fetch("/auth/jwt/verify/")).status).toBe(401);
  await client.fetch("/api/notes/");
  expect(JSON.parse((await storage.get("sallyport"))!)).toMatchObject({ access: "opaque", refresh: before.refresh });
});

test("a log-out during a refresh is not undone by its answer", async () => {
  const { gateway, client, storage } = await signedIn();
  gateway.expireAccessTokens();
  const [late, release] = latch();
  gateway.fail(REFRESH, late);
  const request = client.fetch("/api/notes/");
  await vi.waitFor(() => expect(gateway.count(REFRESH)).toBe(1));
  await client.logOut();
  release();
  expect((await request).status).toBe(401);
  expect(client.session.current.status).toBe("signed-out");
  expect(await storage.get("sallyport")).toBe("null");
});

test("a 401 of a service after a successful refresh is returned, and the user stays signed in", async () => {
  const { gateway, client } = await signedIn();
  gateway.fail("/api/odd", problem(401, "odd"), problem(401, "odd"));
  expect((await client.fetch("/api/odd")).status).toBe(401);
  expect(gateway.count("/api/odd")).toBe(2);
  expect(client.session.current.status).toBe("signed-in");
});

test("functions that listen to the session may call the client, and their errors stop nothing", async () => {
  const errors: unknown[] = [];
  const onError = (error: unknown) => void errors.push(error);
  process.on("uncaughtException", onError);
  const { gateway, client } = await signedIn({
    onSignedOut: () => {
      throw new Error("from onSignedOut");
    },
  });
  let inner: Promise<Response> | undefined;
  client.session.subscribe(() => {
    throw new Error("from a listener");
  });
  client.session.subscribe(() => (inner ??= client.fetch("/api/inner/")));
  gateway.endSessions();
  expect((await client.fetch("/api/notes/")).status).toBe(401);
  expect((await inner!).status).toBe(401);
  vi.useRealTimers();
  await vi.waitFor(() => expect(errors.length).toBeGreaterThan(0));
  process.off("uncaughtException", onError);
});
