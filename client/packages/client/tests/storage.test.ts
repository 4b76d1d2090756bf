/** Storage that throws, hangs, is damaged, or belongs to a plugin. */

import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { capacitorStorage } from "../src/adapters/capacitor.js";
import { createClient, memoryStorage, type SessionStorage, webStorage } from "../src/index.js";
import { ANN, setUp, signedIn } from "./support/clients.js";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test("a storage that throws at every use leaves a session in memory, and reports each failure", async () => {
  const errors: unknown[] = [];
  const blocked: SessionStorage = {
    get: () => {
      throw new DOMException("The operation is insecure.", "SecurityError");
    },
    set: () => {
      throw new DOMException("The quota has been exceeded.", "QuotaExceededError");
    },
  };
  const { gateway, client } = await signedIn({ storage: blocked, onStorageError: (error) => errors.push((error as Error).name) });
  gateway.expireAccessTokens();
  expect((await client.fetch("/api/notes/")).status).toBe(200);
  expect(errors).toContain("SecurityError");
  expect(errors).toContain("QuotaExceededError");
});

test("what could not be stored is stored before the next request, so that a restart finds the newest tokens", async () => {
  const memory = memoryStorage();
  let full = false;
  const storage: SessionStorage = {
    get: memory.get,
    set: (key, value) => {
      if (full) throw new DOMException("The quota has been exceeded.", "QuotaExceededError");
      return memory.set(key, value);
    },
  };
  const { gateway, client, tab } = await signedIn({ storage });
  gateway.grace = false;
  gateway.expireAccessTokens();
  full = true;
  await client.fetch("/api/notes/");
  full = false;
  await client.fetch("/api/notes/");
  gateway.expireAccessTokens();
  expect((await (await tab()).fetch("/api/notes/")).status).toBe(200);
});

test("a storage that never answers delays the start by 5 seconds", async () => {
  const hanging: SessionStorage = { get: () => new Promise(() => {}), set: () => new Promise(() => {}) };
  const opened = setUp({ storage: hanging });
  await vi.advanceTimersByTimeAsync(5000);
  const { client } = await opened;
  expect(client.session.current.status).toBe("signed-out");
  const user = client.logIn(ANN);
  await vi.advanceTimersByTimeAsync(30_000);
  expect((await user)?.email).toBe(ANN.email);
});

for (const damaged of ["", "{", "[]", "17", '"text"', '{"access":1}', '{"user":null,"access":7}']) {
  test(`a damaged stored value counts as none: ${damaged}`, async () => {
    const storage = memoryStorage();
    await storage.set("sallyport", damaged);
    const { client } = await setUp({ storage });
    expect(client.session.current.status).toBe("signed-out");
    await client.logIn(ANN);
    expect((await client.fetch("/api/notes/")).status).toBe(200);
  });
}

test("a restart shows the signed-in user without any request", async () => {
  const { gateway, tab } = await signedIn();
  const restarted = await tab();
  expect(restarted.session.current).toMatchObject({ status: "signed-in", user: { email: ANN.email } });
  expect(gateway.received).toEqual([]);
});

test("both tokens and the user are one value, written in one write", async () => {
  const writes: string[] = [];
  const memory = memoryStorage();
  const storage: SessionStorage = { get: memory.get, set: (key, value) => (writes.push(value), memory.set(key, value)) };
  const { gateway, client } = await signedIn({ storage });
  writes.length = 0;
  gateway.expireAccessTokens();
  await client.fetch("/api/notes/");
  expect(writes.map((text) => Object.keys(JSON.parse(text) as object))).toEqual([["access", "refresh", "user"]]);
});

test("a Capacitor plugin that rejects for a missing key starts signed out, and keeps a session", async () => {
  const values = new Map<string, string>();
  const errors: unknown[] = [];
  const plugin = {
    get: async ({ key }: { key: string }) => {
      if (!values.has(key)) throw new Error("Item with given key does not exist");
      return { value: values.get(key)! };
    },
    set: async ({ key, value }: { key: string; value: string }) => ({ value: !!values.set(key, value) }),
  };
  const { client, tab } = await setUp({ storage: capacitorStorage(plugin), onStorageError: (error) => errors.push(error) });
  await client.logIn(ANN);
  expect((await tab()).session.current.user?.email).toBe(ANN.email);
  expect(errors).toEqual([]);
});

test("web storage without a window is memory, and works with an asynchronous store", async () => {
  const { tab } = await signedIn({ storage: webStorage() });
  expect((await tab()).session.current.status).toBe("signed-in");
  const values = new Map<string, string>();
  const store = { getItem: async (key: string) => values.get(key) ?? null, setItem: async (key: string, value: string) => void values.set(key, value) };
  const system = await signedIn({ storage: webStorage(store) });
  expect((await system.tab()).session.current.status).toBe("signed-in");
});

test("a client can be created on a server, where there is no window", async () => {
  const client = createClient({ url: "https://gateway.test" });
  expect(client.session.current.status).toBe("loading");
  await client.ready;
  expect(client.session.current.status).toBe("signed-out");
});
