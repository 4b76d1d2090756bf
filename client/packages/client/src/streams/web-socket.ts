/** WebSockets, each with a ticket: browsers cannot send an access token with a handshake. */

import type { Json } from "../accounts.js";
import type { Ticket } from "../api-types.js";
import { NetworkError } from "../errors.js";
import type { Transport } from "../transport.js";

/** Options of a WebSocket. */
export interface WebSocketOptions {
  readonly protocols?: string | string[];
}

/** Open a WebSocket at `path`. Resolves once it is open; rejects with an ApiError or a NetworkError otherwise. */
export async function openWebSocket(
  json: Json,
  transport: Transport,
  path: string,
  { protocols }: WebSocketOptions = {},
): Promise<WebSocket> {
  const { ticket } = await json<Ticket>("/session/ticket", { method: "POST" });
  const url = transport.urlOf(path);
  url.protocol = url.protocol.replace("http", "ws");
  url.searchParams.set("ticket", ticket);
  const socket = new WebSocket(url.href, protocols);
  return new Promise((resolve, reject) => {
    socket.onopen = () => {
      socket.onopen = socket.onclose = null;
      resolve(socket);
    };
    socket.onclose = ({ code }) => reject(new NetworkError(`The WebSocket ${path} was not opened (code ${code}).`));
  });
}
