/** Server-sent events over `EventSource`, with a ticket for each connection. Resumes where the last one broke. */

import { ApiError } from "../errors.js";
import type { Json } from "../accounts.js";
import type { SessionSource } from "../session/state.js";
import { urlWithTicket } from "./ticket.js";
import type { Transport } from "../transport.js";

/** Options of a stream of events. */
export interface EventsOptions {
  /** A function for each type of event; events without a type have the type "message". */
  readonly on: Readonly<Record<string, (event: MessageEvent<string>) => void>>;
  /** Resume after this event. */
  readonly lastEventId?: string;
  /** Ends the stream. */
  readonly signal?: AbortSignal;
  /** Called when a connection is open. Unless `resumed`, the server sends only what changes from now on. */
  readonly onOpen?: (resumed: boolean) => void;
  /** Called when a connection broke or was refused. The stream tries again, unless `final`. */
  readonly onError?: (error: unknown, final: boolean) => void;
}

/** An open stream of events. It ends when the user signs out. */
export interface EventStream {
  /** The id of the last event that was received. */
  readonly lastEventId: string;
  close(): void;
}

/** What a stream needs of its client. */
export interface EventsContext {
  readonly json: Json;
  readonly transport: Transport;
  readonly session: SessionSource;
  readonly EventSource: (new (url: string) => EventSource) | undefined;
}

const FIRST_DELAY = 1000;
const LONGEST_DELAY = 30_000;

/** Open a stream of events, and open it again whenever it breaks, after 1 second at first and 30 seconds at most. */
export function openEvents(context: EventsContext, path: string, options: EventsOptions): EventStream {
  let lastEventId = options.lastEventId ?? "";
  let source: EventSource | undefined;
  let delay = FIRST_DELAY;
  let closed = false;
  let cancelRetry: (() => void) | undefined;
  let wasOffline = context.session.current.offline;

  const close = () => {
    closed = true;
    cancelRetry?.();
    source?.close();
    source = undefined;
    unsubscribe();
    options.signal?.removeEventListener("abort", close);
  };

  const fail = (error: unknown) => {
    source?.close();
    source = undefined;
    if (closed) return;
    // A refusal that will not change by waiting: the route does not exist, or is not for this user.
    const final = error instanceof ApiError && error.status < 500 && error.status !== 429;
    if (final) close();
    else {
      const retryAfter = error instanceof ApiError && error.retryAfter ? error.retryAfter * 1000 : 0;
      cancelRetry = context.transport.clock.after(Math.max(retryAfter, delay * (0.5 + Math.random() / 2)), connect);
      delay = Math.min(delay * 2, LONGEST_DELAY);
    }
    options.onError?.(error, final);
  };

  const lost = () => {
    // A browser gives up (2) after another status than 200, which it hides, or another type than text/event-stream.
    if (source) fail(new TypeError(`${path} was ${source.readyState > 1 ? "refused" : "interrupted"}.`));
  };

  const connect = async () => {
    cancelRetry?.();
    cancelRetry = undefined;
    try {
      if (!context.EventSource) throw new ApiError(0, "no_event_source", "Pass an EventSource.");
      const url = await urlWithTicket(context.json, context.transport, path);
      if (closed) return;
      if (lastEventId) url.searchParams.set("last_event_id", lastEventId);
      source = new context.EventSource(url.href);
      listen(source);
    } catch (error) {
      fail(error);
    }
  };

  const listen = (opened: EventSource) => {
    opened.onopen = () => {
      delay = FIRST_DELAY;
      options.onOpen?.(!!lastEventId);
    };
    // The browser would connect again with the same ticket, which opens one stream only.
    opened.onerror = () => opened === source && lost();
    for (const [type, listener] of Object.entries(options.on)) {
      opened.addEventListener(type, (event) => {
        if (opened !== source) return;
        if (event.lastEventId) lastEventId = event.lastEventId;
        listener(event);
      });
    }
  };

  const userId = context.session.current.user?.id;
  const unsubscribe = context.session.subscribe(({ status, offline, user }) => {
    if (status === "signed-out" || (user && userId && user.id !== userId)) close();
    else if (wasOffline && !offline) {
      // After a change of the network, TCP takes minutes to report a connection of before as lost.
      lost();
      if (cancelRetry) void connect();
    }
    wasOffline = offline;
  });
  options.signal?.addEventListener("abort", close);
  if (options.signal?.aborted) close();
  else void connect();

  return {
    get lastEventId() {
      return lastEventId;
    },
    close,
  };
}
