import type { Provider, EnvironmentProviders } from "@angular/core";
import { type Client, createClient, memoryStorage } from "@sallyport/client";
import { provideSallyport } from "@sallyport/client/angular";

import { SIGN_OUT_LISTENERS, type SignOutListeners } from "../app/session/session-navigation";

export const ANN = { id: "0000000a", email: "ann@example.com", first_name: "Ann", last_name: "Archer" };
export const BOB = { id: "0000000b", email: "bob@example.com", first_name: "", last_name: "" };

type Answer = readonly [status: number, body?: unknown];
type Handler = (body: unknown, url: URL) => Answer | Promise<Answer>;

/** The far side of the network: answers requests, and sends events. The client under test is the real one. */
export class FakeGateway {
  /** Requests in the order in which they came, such as "GET /api/notes/". */
  readonly requests: string[] = [];
  readonly listeners: SignOutListeners = new Set();
  readonly client: Client;
  private readonly handlers = new Map<string, Handler>();
  private streams: FakeEventSource[] = [];

  /** `user` is logged in by a cookie; null if nobody is. */
  constructor(user: object | null) {
    this.on("GET /session/", () => (user ? [200, { user, expires_at: 4102444800 }] : [401]));
    this.on("DELETE /session/", () => [204]);
    this.on("POST /session/ticket", () => [200, { ticket: "t", expires_in: 30 }]);
    const streams = this.streams;
    this.client = createClient({
      url: "http://gateway.test",
      mode: "cookie",
      storage: memoryStorage(),
      fetch: (input, init) => this.answer(new URL(String(input)), init),
      EventSource: class extends FakeEventSource {
        constructor() {
          super();
          streams.push(this);
        }
      } as unknown as new (url: string) => EventSource,
      onSignedOut: (reason) => this.listeners.forEach((listener) => listener(reason)),
    });
  }

  /** Answer requests such as "GET /api/notes/" by `handler` from now on. */
  on(request: string, handler: Handler): void {
    this.handlers.set(request, handler);
  }

  /** Open the stream that was asked for last. */
  openStream(): void {
    this.streams.at(-1)?.onopen?.();
  }

  /** Break the stream that was opened last. */
  breakStream(): void {
    this.streams.at(-1)?.onerror?.();
  }

  /** Send an event on the stream that was opened last. */
  send(type: string, data: unknown): void {
    this.streams.at(-1)?.dispatchEvent(new MessageEvent(type, { data: JSON.stringify(data), lastEventId: "1" }));
  }

  /** How many streams are open. */
  get openStreams(): number {
    return this.streams.filter((stream) => !stream.closed).length;
  }

  /** What an app needs to use this gateway. */
  get providers(): (Provider | EnvironmentProviders)[] {
    return [provideSallyport(this.client), { provide: SIGN_OUT_LISTENERS, useValue: this.listeners }];
  }

  private async answer(url: URL, init: RequestInit = {}): Promise<Response> {
    const request = `${init.method ?? "GET"} ${url.pathname}`;
    this.requests.push(request);
    const handler = this.handlers.get(request);
    if (!handler) throw new TypeError(`no answer to ${request}`);
    const [status, body] = await handler(init.body ? JSON.parse(String(init.body)) : undefined, url);
    return new Response(body === undefined ? null : JSON.stringify(body), { status });
  }
}

class FakeEventSource extends EventTarget {
  closed = false;
  onopen: (() => void) | null = null;
  onerror: (() => void) | null = null;

  close(): void {
    this.closed = true;
  }
}

/** Wait until `condition` holds, or fail after two seconds. */
export async function until(condition: () => boolean): Promise<void> {
  await vi.waitFor(() => expect(condition()).toBe(true), { timeout: 2000, interval: 5 });
}
