// @vitest-environment node
/** No other origin gets a token, a ticket or a password. */

import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, expect, test, vi } from "vitest";

import { createClient, memoryStorage } from "../src/index.js";
import { signedIn } from "./support/clients.js";
import { FakeEventSource } from "./support/fake-event-source.js";

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
  vi.unstubAllGlobals();
});

async function serve(respond: (path: string) => [number, Record<string, string>, string?]): Promise<{ url: string; received: string[] }> {
  const received: string[] = [];
  const server = createServer((request, response) => {
    let body = "";
    request.on("data", (part) => (body += part));
    request.on("end", () => {
      received.push(`${request.method} ${request.url} ${request.headers.authorization ?? ""} ${body}`);
      const [status, headers, text = ""] = respond(request.url!);
      response.writeHead(status, headers).end(text);
    });
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, received };
}

test.each([301, 307, 308])("a %i to another origin gets neither password nor refresh token", async (status) => {
  const elsewhere = await serve(() => [200, { "content-type": "application/json" }, '{"access":"a","refresh":"r"}']);
  const gateway = await serve((path) =>
    path.startsWith("/auth/jwt/") ? [status, { location: elsewhere.url + path }] : [401, {}],
  );
  const storage = memoryStorage();
  const client = createClient({ url: gateway.url, storage, maxWaitSeconds: 0 });
  await expect(client.logIn({ email: "ann@example.com", password: "my-password" })).rejects.toThrow();
  await storage.set("sallyport", JSON.stringify({ access: "old-access", refresh: "old-refresh", user: null }));
  const stored = createClient({ url: gateway.url, storage, maxWaitSeconds: 0 });
  await stored.fetch("/api/").catch(() => undefined);
  await stored.logOut();
  expect(elsewhere.received).toEqual([]);
  expect(gateway.received.join()).toContain("old-refresh");
});

test.each(["//evil.test/events", "https://evil.test/events", "\\\\evil.test/events"])("a stream or WebSocket at %s gets no ticket", async (path) => {
  FakeEventSource.opened = [];
  const sockets: string[] = [];
  vi.stubGlobal("WebSocket", class {
    constructor(url: string) {
      sockets.push(url);
    }
  });
  const { client } = await signedIn({ EventSource: FakeEventSource as unknown as typeof EventSource });
  const errors: unknown[] = [];
  client.events(path, { on: {}, onError: (...error) => errors.push(error) });
  const waiting = new Promise((resolve) => setTimeout(resolve, 200));
  await expect(Promise.race([client.webSocket(path), waiting])).rejects.toMatchObject({ code: "foreign_origin" });
  expect(FakeEventSource.opened).toEqual([]);
  expect(sockets).toEqual([]);
  expect(errors).toMatchObject([[{ code: "foreign_origin" }, true]]);
});
