/** Log-in, registration, log-out, the user, and the state that pages show. */

import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { createClient, memoryStorage } from "../src/index.js";
import { SessionStateHolder } from "../src/session/state.js";
import { ANN, BOB, setUp, signedIn } from "./support/clients.js";
import { problem, userOf } from "./support/fake-gateway.js";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test("a registered user is logged in at once", async () => {
  const { client } = await setUp();
  expect(await client.register(ANN)).toEqual({ user: userOf(ANN.email), signedIn: true, error: null });
  expect(client.session.current).toEqual({ status: "signed-in", offline: false, user: userOf(ANN.email) });
});

test("a registration whose address must be activated first says that nobody is signed in", async () => {
  const { gateway, client } = await setUp();
  gateway.fail("/auth/jwt/create/", problem(401, "inactive"));
  const { signedIn: isSignedIn, error } = await client.register(ANN);
  expect(isSignedIn).toBe(false);
  expect(error).toMatchObject({ status: 401 });
});

test("wrong credentials are a 401, and change nothing", async () => {
  const { client } = await setUp();
  const attempt = client.logIn({ ...ANN, password: "wrong" });
  await expect(attempt).rejects.toMatchObject({ status: 401, detail: "No active account found with the given credentials" });
  expect(client.session.current.status).toBe("signed-out");
});

test("a log-in is complete even if the user cannot be read yet; the next start reads the user", async () => {
  const { gateway, client, tab } = await setUp();
  gateway.fail("/auth/users/me/", "lost-before");
  expect(await client.logIn(ANN)).toBe(null);
  expect(client.session.current).toMatchObject({ status: "signed-in", user: null });
  const restarted = await tab();
  await vi.waitFor(() => expect(restarted.session.current.user?.email).toBe(ANN.email));
});

test("another log-in ends the replaced session at the server", async () => {
  const { gateway, client } = await signedIn();
  await client.logIn(BOB);
  await vi.waitFor(() => expect(gateway.liveSessions()).toBe(1));
  expect(client.session.current.user?.email).toBe(BOB.email);
});

test("the answer about a former user does not replace the present user", async () => {
  const { gateway, client } = await signedIn();
  gateway.fail("/auth/users/me/", client.logIn(BOB).then(() => undefined));
  await client.users.me();
  expect(client.session.current.user?.email).toBe(BOB.email);
});

test("a log-out ends the session at the server and clears the storage", async () => {
  const { gateway, client, storage, signOuts } = await signedIn();
  expect(await client.logOut()).toBe(true);
  expect(gateway.liveSessions()).toBe(0);
  expect(await storage.get("sallyport")).toBe("null");
  expect(signOuts).toEqual(["log-out"]);
  expect(await client.logOut()).toBe(true);
  expect(gateway.count("/auth/jwt/blacklist/")).toBe(1);
});

test("a log-out clears everything before it tells the server, and resolves even if that never answers", async () => {
  const { gateway, client, storage } = await signedIn();
  gateway.fail("/auth/jwt/blacklist/", "hangs");
  const loggedOut = client.logOut();
  await vi.advanceTimersByTimeAsync(0);
  expect(client.session.current).toMatchObject({ status: "signed-out", user: null });
  expect(await storage.get("sallyport")).toBe("null");
  await vi.advanceTimersByTimeAsync(30_000);
  expect(await loggedOut).toBe(false);
});

test("the state is the same object until something changes", () => {
  const state = new SessionStateHolder();
  state.update({ status: "signed-in", user: userOf("a") });
  const before = state.current;
  state.update({ status: "signed-in", offline: false, user: userOf("a") });
  expect(state.current).toBe(before);
  state.update({ offline: true });
  expect(state.current).not.toBe(before);
  expect(state.current.user).toBe(before.user);
});

test("a listener that subscribes twice and ends one subscription is told once (React's StrictMode)", () => {
  const state = new SessionStateHolder();
  const told = vi.fn();
  state.subscribe(told)();
  state.subscribe(told);
  state.update({ offline: true });
  expect(told).toHaveBeenCalledTimes(1);
});

test("while offline and observed, the client looks for the gateway after 1, 2, 4 seconds; then it stops", async () => {
  const { gateway, client } = await signedIn();
  gateway.fail("/auth/users/me/", "lost-before", "lost-before");
  gateway.fail("/api/notes/", "lost-before");
  const stop = client.session.subscribe(() => undefined);
  await expect(client.fetch("/api/notes/")).rejects.toThrow();
  await vi.advanceTimersByTimeAsync(6999);
  expect(client.session.current.offline).toBe(true);
  await vi.advanceTimersByTimeAsync(1);
  expect(client.session.current).toMatchObject({ status: "signed-in", offline: false });
  expect(gateway.count("/auth/users/me/")).toBe(3);
  stop();
  expect(vi.getTimerCount()).toBe(0);
});

test("while offline and not observed, no timer keeps a process alive", async () => {
  const { gateway, client } = await signedIn();
  gateway.fail("/api/notes/", "lost-before");
  await expect(client.fetch("/api/notes/")).rejects.toThrow();
  expect(vi.getTimerCount()).toBe(0);
});

test("a client that starts offline is signed in with its stored user, and works when the network is back", async () => {
  const { storage } = await signedIn();
  let online = false;
  const { gateway, client: unused } = await setUp();
  unused.close();
  await gateway.fetch(`${gateway.url}/auth/jwt/create/`, { method: "POST", body: JSON.stringify(ANN) });
  const fetch: typeof globalThis.fetch = (input, init) => (online ? gateway.fetch(input, init) : Promise.reject(new TypeError("Load failed")));
  const client = createClient({ url: gateway.url, storage, fetch });
  await client.ready;
  await expect(client.fetch("/api/notes/")).rejects.toThrow("No answer");
  expect(client.session.current).toMatchObject({ status: "signed-in", offline: true, user: { email: ANN.email } });
  online = true;
  expect((await client.fetch("/api/notes/")).status).toBe(200);
  expect(client.session.current.offline).toBe(false);
});

test("two clients with different keys share a storage without sharing a session", async () => {
  const storage = memoryStorage();
  const { client, tab } = await signedIn({ storage });
  const other = await tab({ storageKey: "other" });
  expect(client.session.current.status).toBe("signed-in");
  expect(other.session.current.status).toBe("signed-out");
});
