/** Cookie mode: the gateway holds the tokens, the browser a cookie that no script can read. */

import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { NetworkError } from "../src/index.js";
import { ANN, outcomes, setUp, signedIn } from "./support/clients.js";
import { problem } from "./support/fake-gateway.js";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const cookies = { mode: "cookie" } as const;

test("a log-in stores the user and no token, and requests are sent with the cookie", async () => {
  const { gateway, client, storage } = await signedIn(cookies);
  expect(JSON.parse((await storage.get("sallyport"))!)).toMatchObject({ access: "", refresh: "", user: { email: ANN.email } });
  expect((await client.fetch("/api/notes/")).status).toBe(200);
  await client.fetch("/api/notes/", { method: "POST" });
  expect(gateway.received.map(({ credentials, authorization }) => [credentials, authorization])).toEqual([["include", null], ["include", null]]);
  expect(gateway.received.map(({ headers }) => headers.get("x-requested-with"))).toEqual([null, "fetch"]);
});

test("a start without a stored user asks the gateway who is signed in", async () => {
  const { gateway, client } = await setUp(cookies);
  expect(client.session.current.status).toBe("signed-out");
  expect(gateway.count("/session/")).toBe(1);
});

test("a start shows the stored user at once, also offline, and then asks the gateway", async () => {
  const { gateway, tab } = await signedIn(cookies);
  gateway.fail("/session/", "lost-before");
  const restarted = await tab();
  expect(restarted.session.current).toMatchObject({ status: "signed-in", user: { email: ANN.email } });
  await vi.waitFor(() => expect(restarted.session.current.offline).toBe(true));
  expect(restarted.session.current.status).toBe("signed-in");
});

test("a start finds out that the session has ended", async () => {
  const { gateway, tab } = await signedIn(cookies);
  gateway.endSessions();
  const reasons: string[] = [];
  const restarted = await tab({ onSignedOut: (reason) => reasons.push(reason) });
  await vi.waitFor(() => expect(restarted.session.current.status).toBe("signed-out"));
  expect(reasons).toEqual(["session-ended"]);
});

test("after 401s the gateway is asked once; only its 401 signs the user out", async () => {
  const { gateway, client, signOuts } = await signedIn(cookies);
  gateway.fail("/api/odd", problem(401, "odd"), problem(401, "odd"));
  expect((await client.fetch("/api/odd")).status).toBe(401);
  expect(client.session.current.status).toBe("signed-in");
  gateway.endSessions();
  gateway.received.length = 0;
  expect(await outcomes([1, 2, 3].map(() => client.fetch("/api/notes/")))).toEqual([401, 401, 401]);
  expect(gateway.count("/session/")).toBe(1);
  expect(signOuts).toEqual(["session-ended"]);
});

test("a gateway that cannot answer signs nobody out", async () => {
  const { gateway, client } = await signedIn(cookies);
  gateway.fail("/api/notes/", problem(401, "session_ended"));
  gateway.fail("/session/", problem(503, "auth_unavailable"));
  expect(await outcomes([client.fetch("/api/notes/")])).toEqual(["ApiError"]);
  gateway.fail("/api/notes/", problem(401, "session_ended"));
  gateway.fail("/session/", "lost-before");
  await expect(client.fetch("/api/notes/")).rejects.toBeInstanceOf(NetworkError);
  expect(client.session.current.status).toBe("signed-in");
});

test("a log-out while the gateway is unreachable is finished by the next start, and the cookie is not sent before", async () => {
  const { gateway, client, tab } = await signedIn(cookies);
  gateway.fail("/session/", "lost-before");
  expect(await client.logOut()).toBe(false);
  expect(client.session.current.status).toBe("signed-out");
  await client.fetch("/api/notes/");
  expect(gateway.received.at(-1)!.credentials).toBe("omit");
  expect(gateway.liveSessions()).toBe(1);
  const restarted = await tab();
  expect(restarted.session.current.status).toBe("signed-out");
  expect(gateway.liveSessions()).toBe(0);
});

test("a log-out is sent once when the gateway is reachable", async () => {
  const { gateway, client, tab } = await signedIn(cookies);
  expect(await client.logOut()).toBe(true);
  await tab();
  expect(gateway.received.map(({ method }) => method)).toEqual(["DELETE", "GET"]);
});

test("a stored session of token mode is not used in cookie mode, and the other way round", async () => {
  const { tab } = await signedIn();
  expect((await tab(cookies)).session.current.status).toBe("signed-out");
  const other = await signedIn(cookies);
  expect((await other.tab({ mode: "token" })).session.current.status).toBe("signed-out");
});
