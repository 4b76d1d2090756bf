/** Several clients on one storage: tabs whose storage events arrive late or never, and restarts. */

import { expect, test, vi } from "vitest";

import { memoryStorage, type SessionStorage } from "../src/index.js";
import { ANN, BOB, latch, outcomes, setUp, signedIn } from "./support/clients.js";
import { problem } from "./support/fake-gateway.js";

const REFRESH = "/auth/jwt/refresh/";

test("a tab takes over the tokens that another tab stored, without a storage event and without a refresh", async () => {
  const { gateway, client, tab } = await signedIn();
  const other = await tab();
  gateway.grace = false;
  gateway.expireAccessTokens();
  expect((await client.fetch("/api/notes/")).status).toBe(200);
  expect((await other.fetch("/api/notes/")).status).toBe(200);
  expect(gateway.count(REFRESH)).toBe(1);
});

test("ten tabs that refresh at the same time all go on, and the storage has the newest tokens", async () => {
  const { gateway, tab } = await signedIn();
  const tabs = await Promise.all(Array.from({ length: 10 }, () => tab()));
  gateway.expireAccessTokens();
  expect(new Set(await outcomes(tabs.map((each) => each.fetch("/api/notes/"))))).toEqual(new Set([200]));
  gateway.grace = false;
  gateway.expireAccessTokens();
  expect((await (await tab()).fetch("/api/notes/")).status).toBe(200);
});

test("the late answer to a frozen tab does not overwrite newer tokens in the storage", async () => {
  const { gateway, client, tab } = await signedIn();
  const frozen = await tab();
  gateway.expireAccessTokens();
  const [thaw, release] = latch();
  gateway.fail(REFRESH, thaw);
  const late = frozen.fetch("/api/notes/");
  await vi.waitFor(() => expect(gateway.count(REFRESH)).toBe(1));
  await client.fetch("/api/notes/");
  gateway.expireAccessTokens();
  await client.fetch("/api/notes/");
  gateway.grace = false;
  release();
  expect((await late).status).toBe(200);
  gateway.expireAccessTokens();
  expect((await (await tab()).fetch("/api/notes/")).status).toBe(200);
  expect(gateway.liveSessions()).toBe(1);
});

test("a tab whose refresh was lost looks into the storage before it repeats it", async () => {
  const { gateway, client, tab } = await signedIn();
  const slow = await tab();
  gateway.expireAccessTokens();
  let reject = (_: Error) => {};
  gateway.fail(REFRESH, new Promise<void>((_, refuse) => (reject = refuse)));
  const late = slow.fetch("/api/notes/");
  await vi.waitFor(() => expect(gateway.count(REFRESH)).toBe(1));
  await client.fetch("/api/notes/");
  gateway.expireAccessTokens();
  await client.fetch("/api/notes/");
  gateway.grace = false;
  reject(new TypeError("fetch failed"));
  expect((await late).status).toBe(200);
  expect(gateway.liveSessions()).toBe(1);
});

test("a log-out in another tab signs this tab out at its next refresh at the latest", async () => {
  const { gateway, client, tab, signOuts } = await signedIn();
  const other = await tab();
  await other.logOut();
  expect((await client.fetch("/api/notes/")).status).toBe(401);
  expect(signOuts).toEqual(["other-tab"]);
  expect(gateway.count(REFRESH)).toBe(0);
});

test("a storage event signs a tab in and out; a late event of an older state changes nothing", async () => {
  const listeners: (() => void)[] = [];
  const memory = memoryStorage();
  const storage: SessionStorage = { ...memory, subscribe: (_, listener) => (listeners.push(listener), () => undefined) };
  const { client, tab } = await setUp({ storage });
  const other = await tab();
  const notify = () => listeners.forEach((listener) => listener());
  await other.logIn(ANN);
  notify();
  await vi.waitFor(() => expect(client.session.current).toMatchObject({ status: "signed-in", user: { email: ANN.email } }));
  await client.logOut();
  await client.logIn(BOB);
  notify();
  await vi.waitFor(() => expect(other.session.current.user?.email).toBe(BOB.email));
  expect(client.session.current.user?.email).toBe(BOB.email);
  await other.logOut();
  notify();
  await vi.waitFor(() => expect(client.session.current.status).toBe("signed-out"));
});

test("a request of one user is not repeated as another user who logged in meanwhile in another tab", async () => {
  const { gateway, client, tab } = await signedIn();
  const other = await tab();
  await other.logIn(BOB);
  gateway.received.length = 0;
  expect((await client.fetch("/api/notes/", { method: "POST", body: "Ann's" })).status).toBe(401);
  expect(gateway.count("/api/notes/")).toBe(1);
  expect(client.session.current.user?.email).toBe(BOB.email);
  expect((await client.fetch("/api/notes/")).status).toBe(200);
});

test("a browser or system that clears the storage signs nobody out while the app runs", async () => {
  const memory = memoryStorage();
  let cleared = false;
  const storage: SessionStorage = {
    get: (key) => (cleared ? null : memory.get(key)),
    set: (key, value) => {
      cleared = false;
      return memory.set(key, value);
    },
  };
  const { gateway, client, tab } = await signedIn({ storage });
  cleared = true;
  gateway.expireAccessTokens();
  expect((await client.fetch("/api/notes/")).status).toBe(200);
  expect((await tab()).session.current.status).toBe("signed-in");
});

test("a refresh that is refused because another tab logged in again takes over the new session", async () => {
  const { gateway, client, tab, signOuts } = await signedIn();
  gateway.endSessions();
  const [late, release] = latch();
  gateway.fail(REFRESH, late);
  const request = client.fetch("/api/notes/");
  await vi.waitFor(() => expect(gateway.count(REFRESH)).toBe(1));
  await (await tab()).logIn(ANN);
  release();
  expect((await request).status).toBe(200);
  expect(signOuts).toEqual([]);
});

test("a tab that reads the user with older tokens does not overwrite newer tokens in the storage", async () => {
  const { gateway, client, tab, storage } = await signedIn();
  const newer = await tab();
  gateway.fail("/api/notes/", problem(401, "token_expired"));
  await newer.fetch("/api/notes/");
  const stored = await storage.get("sallyport");
  await client.users.me();
  expect(await storage.get("sallyport")).toBe(stored);
});

test("tokens that were taken over from another tab, and have expired as well, are refreshed", async () => {
  const { gateway, client, tab } = await signedIn();
  const sleeping = await tab();
  gateway.expireAccessTokens();
  await client.fetch("/api/notes/");
  gateway.expireAccessTokens();
  expect((await sleeping.fetch("/api/notes/", { method: "POST" })).status).toBe(200);
});
