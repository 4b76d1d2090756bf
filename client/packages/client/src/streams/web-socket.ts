/** WebSockets, each with a ticket: browsers cannot send an access token with a handshake. */

import type { Json } from "../accounts.js";
import { NetworkError } from "../errors.js";
import { urlWithTicket } from "./ticket.js";
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
  const url = await urlWithTicket(json, transport, path);
  url.protocol = url.protocol.replace("http", "ws");
  const socket = new WebSocket(url.href, protocols);
  return new Promise((resolve, reject) => {
    socket.onopen = () => {
      socket.onopen = socket.onclose = null;
      resolve(socket);
    };
    // The code is 1006 in any case: a browser does not tell a script whether the gateway refused it.
    socket.onclose = () => reject(new NetworkError(`${path} was not opened.`));
  });
}
