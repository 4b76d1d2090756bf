/** @vitest-environment jsdom */
/** The client in a window: storage events, the window's own events, blocked storage. */

import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { webStorage } from "../src/index.js";
import { ANN, setUp, signedIn } from "./support/clients.js";

beforeEach(() => localStorage.clear());
afterEach(() => void vi.restoreAllMocks());

const stored = { storage: webStorage() };

test("a storage event of another tab signs this tab in", async () => {
  const { client, tab } = await setUp(stored);
  await (await tab()).logIn(ANN);
  expect(client.session.current.status).toBe("signed-out");
  window.dispatchEvent(new StorageEvent("storage", { key: "unrelated" }));
  window.dispatchEvent(new StorageEvent("storage", { key: "sallyport" }));
  await vi.waitFor(() => expect(client.session.current.user?.email).toBe(ANN.email));
});

test("a page that is shown again learns of a log-out in another tab that it missed", async () => {
  const { client, tab } = await signedIn(stored);
  await (await tab()).logOut();
  window.dispatchEvent(Object.assign(new Event("pageshow"), { persisted: true }));
  await vi.waitFor(() => expect(client.session.current.status).toBe("signed-out"));
});

test("the event offline is shown, although navigator.onLine may lie; no request is held back", async () => {
  const { client } = await signedIn(stored);
  window.dispatchEvent(new Event("offline"));
  expect(client.session.current.offline).toBe(true);
  expect((await client.fetch("/api/notes/")).status).toBe(200);
  expect(client.session.current.offline).toBe(false);
});

test("the event online starts a check, whose answer ends the notice", async () => {
  const { gateway, client } = await signedIn(stored);
  gateway.fail("/auth/users/me/", "lost-before");
  window.dispatchEvent(new Event("offline"));
  window.dispatchEvent(new Event("online"));
  await vi.waitFor(() => expect(gateway.count("/auth/users/me/")).toBe(1));
  expect(client.session.current.offline).toBe(true);
  window.dispatchEvent(new Event("online"));
  await vi.waitFor(() => expect(client.session.current.offline).toBe(false));
});

test("a closed client ignores the window", async () => {
  const { gateway, client } = await signedIn(stored);
  client.close();
  window.dispatchEvent(new Event("offline"));
  window.dispatchEvent(new Event("online"));
  expect(client.session.current.offline).toBe(false);
  expect(gateway.received).toEqual([]);
});

test("where the browser blocks localStorage, the session lives in memory", async () => {
  const { client, gateway } = await setUp(stored);
  vi.spyOn(window, "localStorage", "get").mockImplementation(() => {
    throw new DOMException("The operation is insecure.", "SecurityError");
  });
  await client.logIn(ANN);
  gateway.expireAccessTokens();
  expect((await client.fetch("/api/notes/")).status).toBe(200);
});
