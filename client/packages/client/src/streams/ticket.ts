/** Tickets: a stream opens with one in its URL, because browsers send no access token with it. */

import type { Json } from "../accounts.js";
import type { Ticket } from "../api-types.js";
import { ApiError } from "../errors.js";
import type { Transport } from "../transport.js";

/** Return the URL of a path of the gateway, with a new ticket. Rejects with an ApiError for another origin. */
export async function urlWithTicket(json: Json, transport: Transport, path: string): Promise<URL> {
  const url = transport.urlOf(path);
  if (url.origin !== transport.base.origin) throw new ApiError(0, "foreign_origin", `${url.origin} gets no ticket.`);
  const { ticket } = await json<Ticket>("/session/ticket", { method: "POST" });
  url.searchParams.set("ticket", ticket);
  return url;
}
