/** WebSockets with tickets. */

import { afterEach, expect, test, vi } from "vitest";

import { NetworkError } from "../src/index.js";
import { setUp, signedIn } from "./support/clients.js";

class FakeWebSocket {
  static opened: FakeWebSocket[] = [];
  onopen: (() => void) | null = null;
  onclose: ((event: { code: number }) => void) | null = null;
  constructor(
    readonly url: string,
    readonly protocols?: string | string[],
  ) {
    FakeWebSocket.opened.push(this);
  }
}

afterEach(() => {
  vi.unstubAllGlobals();
  FakeWebSocket.opened = [];
});

test("a WebSocket is opened with a ticket, also after an expired token", async () => {
  vi.stubGlobal("WebSocket", FakeWebSocket);
  const { gateway, client } = await signedIn();
  gateway.expireAccessTokens();
  const opening = client.webSocket("/api/live?room=1", { protocols: "chat" });
  await vi.waitFor(() => expect(FakeWebSocket.opened).toHaveLength(1));
  const [socket] = FakeWebSocket.opened;
  socket!.onopen!();
  expect(await opening).toBe(socket);
  expect(socket!.url).toMatch(/^wss:\/\/gateway\.test\/api\/live\?room=1&ticket=ticket-\d+$/);
  expect(socket!.protocols).toBe("chat");
});

test("a WebSocket that is closed before it opens is a NetworkError", async () => {
  vi.stubGlobal("WebSocket", FakeWebSocket);
  const { client } = await signedIn();
  const opening = client.webSocket("/api/live");
  await vi.waitFor(() => expect(FakeWebSocket.opened).toHaveLength(1));
  FakeWebSocket.opened[0]!.onclose!({ code: 1006 });
  await expect(opening).rejects.toBeInstanceOf(NetworkError);
});

test("without a user no WebSocket is opened", async () => {
  vi.stubGlobal("WebSocket", FakeWebSocket);
  const { client } = await setUp();
  await expect(client.webSocket("/api/live")).rejects.toMatchObject({ name: "SignedOutError", status: 401 });
  expect(FakeWebSocket.opened).toEqual([]);
});
