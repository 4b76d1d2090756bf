/** A log-out or a log-in wins over the answer of a refresh, wherever in its processing it comes. */

import { expect, test, vi } from "vitest";

import { BOB, latch, signedIn } from "./support/clients.js";
import { problem } from "./support/fake-gateway.js";

vi.setConfig({ testTimeout: 30_000 });

async function ticks(count: number): Promise<void> {
  for (let tick = 0; tick < count; tick++) await Promise.resolve();
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve));
}

/** Start a request of Ann whose refresh was answered; the answer arrives when `release` is called. */
async function refreshing(mode: "token" | "cookie" = "token") {
  const system = await signedIn({ mode });
  const [answered, release] = latch();
  const path = mode === "cookie" ? "/session/" : "/auth/jwt/refresh/";
  system.gateway.expireAccessTokens();
  system.gateway.fail(path, answered);
  const request = mode === "cookie" ? system.client.check() : system.client.fetch("/api/notes/");
  await until(() => system.gateway.count(path) > 0);
  return { ...system, release, request };
}

for (const mode of ["token", "cookie"] as const) {
  test(`${mode} mode: a log-out at any moment is not undone by the answer of a refresh`, async () => {
    const revived: number[] = [];
    for (let moment = 0; moment < 40; moment++) {
      const { client, storage, release, request } = await refreshing(mode);
      release();
      await ticks(moment);
      await client.logOut();
      await request.catch(() => undefined);
      const isStored = (await storage.get("sallyport")) !== "null";
      if (client.session.current.status !== "signed-out" || isStored) revived.push(moment);
    }
    expect(revived).toEqual([]);
  });
}

test("a log-in of another user at any moment is not undone by the answer of a refresh", async () => {
  const lost: string[] = [];
  for (let moment = -12; moment < 20; moment++) {
    const { client, gateway, storage, release, request } = await refreshing();
    const [loggedIn, releaseLogIn] = latch();
    gateway.fail("/auth/jwt/create/", loggedIn);
    const logIn = client.logIn(BOB);
    await until(() => gateway.count("/auth/jwt/create/") > 0);
    if (moment < 0) release();
    else releaseLogIn();
    await ticks(Math.abs(moment));
    release();
    releaseLogIn();
    await logIn;
    await request.catch(() => undefined);
    const shown = client.session.current.user?.email;
    const { email } = (await (await client.fetch("/api/notes/")).json()) as { email?: string };
    const isStored = String(await storage.get("sallyport")).includes(BOB.email);
    if (shown !== BOB.email || email !== BOB.email || !isStored) lost.push(`${moment}: ${shown} ${email} ${isStored}`);
  }
  expect(lost).toEqual([]);
});


test("a log-out is stored last, even if the write before it takes longer", async () => {
  const values = new Map<string, string>();
  const [written, finish] = latch();
  let isSlow = false;
  const storage = {
    get: (key: string) => values.get(key) ?? null,
    set: async (key: string, value: string) => {
      if (isSlow) {
        isSlow = false;
        await written;
      }
      values.set(key, value);
    },
  };
  const { client, gateway } = await signedIn({ storage });
  gateway.expireAccessTokens();
  isSlow = true;
  const request = client.fetch("/api/notes/").catch(() => undefined);
  await until(() => !isSlow);
  const loggedOut = client.logOut();
  await until(() => client.session.current.status === "signed-out");
  finish();
  await Promise.all([loggedOut, request]);
  expect(values.get("sallyport")).toBe("null");
  expect(client.session.current.status).toBe("signed-out");
});

test("a stream does not go on as a user who logged in while it waited for a token", async () => {
  const { client, gateway } = await signedIn();
  const [answered, release] = latch();
  gateway.fail("/auth/jwt/refresh/", answered);
  vi.spyOn(Date, "now").mockReturnValue(Date.now() + 290_000);
  const body = new Blob(["Ann's"]).stream();
  const upload = client.fetch("/api/files/", { method: "POST", body, duplex: "half" } as RequestInit).catch((error: unknown) => error);
  await until(() => gateway.count("/auth/jwt/refresh/") > 0);
  await client.logOut();
  await client.logIn(BOB);
  release();
  expect(await upload).toMatchObject({ code: "not_repeatable" });
  expect(gateway.count("/api/files/")).toBe(0);
  vi.restoreAllMocks();
});

test("cookie mode: a request that waits does not go on as a user who logged in meanwhile", async () => {
  const { client, gateway } = await signedIn({ mode: "cookie" });
  gateway.fail("/api/notes/", problem(503, "unavailable", { "Retry-After": "1" }));
  const request = client.fetch("/api/notes/");
  await until(() => gateway.count("/api/notes/") > 0);
  await client.logOut();
  await client.logIn(BOB);
  expect((await request).status).toBe(503);
  expect(gateway.count("/api/notes/")).toBe(1);
});
