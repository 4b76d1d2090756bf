/** Streams of events: tickets, resumption, waiting times, and the end with the session. */

import { afterEach, beforeEach, expect, test, vi } from "vitest";

import type { ClientOptions, EventsOptions } from "../src/index.js";
import { BOB, signedIn } from "./support/clients.js";
import { FakeEventSource } from "./support/fake-event-source.js";
import { problem } from "./support/fake-gateway.js";

beforeEach(() => {
  vi.useFakeTimers();
  vi.spyOn(Math, "random").mockReturnValue(1);
  FakeEventSource.opened = [];
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
});

const opened = () => FakeEventSource.opened;

async function open(options: Partial<EventsOptions> = {}, clientOptions: Partial<ClientOptions> = {}) {
  const system = await signedIn({ EventSource: FakeEventSource as unknown as typeof EventSource, ...clientOptions });
  const received: string[] = [];
  const errors: { error: unknown; final: boolean }[] = [];
  const stream = system.client.events("/api/notes/events", {
    on: { created: ({ data }) => received.push(data) },
    onError: (error, final) => errors.push({ error, final }),
    ...options,
  });
  await vi.advanceTimersByTimeAsync(0);
  return { ...system, stream, received, errors };
}

for (const mode of ["token", "cookie"] as const) {
  test(`${mode} mode: a stream is opened with a ticket, and resumes after the last event with another`, async () => {
    const { stream, received } = await open({}, { mode });
    opened()[0]!.emit("created", "one", "1");
    opened()[0]!.onerror!();
    expect(opened()[0]!.closed).toBe(true);
    await vi.advanceTimersByTimeAsync(1000);
    opened()[1]!.emit("created", "two", "2");
    expect(received).toEqual(["one", "two"]);
    expect(opened()[1]!.query["last_event_id"]).toBe("1");
    expect(opened()[1]!.query["ticket"]).not.toBe(opened()[0]!.query["ticket"]);
    expect(stream.lastEventId).toBe("2");
  });
}

test("a stream resumes after a given event", async () => {
  await open({ lastEventId: "17" });
  expect(opened()[0]!.query["last_event_id"]).toBe("17");
});

test("a stream that broke before its first event reports that it does not resume", async () => {
  const resumptions: boolean[] = [];
  await open({ onOpen: (resumed) => resumptions.push(resumed) });
  opened()[0]!.onopen!();
  opened()[0]!.onerror!();
  await vi.advanceTimersByTimeAsync(1000);
  opened()[1]!.onopen!();
  opened()[1]!.emit("created", "one", "1");
  opened()[1]!.onerror!();
  await vi.advanceTimersByTimeAsync(1000);
  opened()[2]!.onopen!();
  expect(resumptions).toEqual([false, false, true]);
});

test("after an expired token, the ticket is got with a renewed one", async () => {
  const { gateway } = await open();
  gateway.expireAccessTokens();
  opened()[0]!.onerror!();
  await vi.advanceTimersByTimeAsync(1000);
  expect(opened()).toHaveLength(2);
  expect(gateway.count("/auth/jwt/refresh/")).toBe(1);
});

test("the waiting time doubles up to 30 seconds, and begins again after an open stream", async () => {
  const { gateway } = await open();
  gateway.fail("/session/ticket", ...Array.from({ length: 6 }, () => problem(502, "upstream_unreachable")));
  opened()[0]!.onerror!();
  await vi.advanceTimersByTimeAsync(1000 + 2000 + 4000 + 8000 + 16_000 + 30_000 + 29_999);
  expect(opened()).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(1);
  expect(opened()).toHaveLength(2);
  opened()[1]!.onopen!();
  opened()[1]!.onerror!();
  await vi.advanceTimersByTimeAsync(1000);
  expect(opened()).toHaveLength(3);
});

test("Retry-After is a lower limit of the waiting time", async () => {
  const { gateway, errors } = await open();
  gateway.fail("/session/ticket", problem(503, "tickets_unavailable", { "Retry-After": "20" }));
  opened()[0]!.onerror!();
  await vi.advanceTimersByTimeAsync(1000 + 19_999);
  expect(opened()).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(1);
  expect(opened()).toHaveLength(2);
  expect(errors.map(({ final }) => final)).toEqual([false, false]);
});

test("a refusal that waiting does not change ends the stream", async () => {
  const { gateway, errors } = await open();
  gateway.fail("/session/ticket", problem(403, "insufficient_scope"));
  opened()[0]!.onerror!();
  await vi.advanceTimersByTimeAsync(120_000);
  expect(opened()).toHaveLength(1);
  expect(errors.at(-1)).toMatchObject({ error: { status: 403 }, final: true });
  expect(vi.getTimerCount()).toBe(0);
});

test("a stream ends when the user signs out, and when another user signs in", async () => {
  const first = await open();
  await first.client.logOut();
  expect(opened()[0]!.closed).toBe(true);
  opened()[0]!.emit("created", "late", "9");
  expect(first.received).toEqual([]);
  const second = await open();
  await second.client.logIn(BOB);
  expect(opened().every(({ closed }) => closed)).toBe(true);
  await vi.advanceTimersByTimeAsync(120_000);
  expect(opened()).toHaveLength(2);
});

test("a stream ends by close, and by an aborted signal, also while it waits", async () => {
  const controller = new AbortController();
  const { stream } = await open({ signal: controller.signal });
  opened()[0]!.onerror!();
  controller.abort();
  stream.close();
  await vi.advanceTimersByTimeAsync(120_000);
  expect(opened()).toHaveLength(1);
  await open({ signal: AbortSignal.abort() });
  expect(opened()).toHaveLength(1);
});

test("a stream that waits connects at once when the gateway answers again", async () => {
  const { gateway, client } = await open();
  gateway.fail("/session/ticket", "lost-before");
  opened()[0]!.onerror!();
  await vi.advanceTimersByTimeAsync(1000);
  expect(client.session.current.offline).toBe(true);
  await client.fetch("/api/notes/");
  await vi.advanceTimersByTimeAsync(0);
  expect(opened()).toHaveLength(2);
});

test("an open stream connects again after the network was lost, because its connection may be dead", async () => {
  const { client, errors, gateway } = await open();
  opened()[0]!.emit("created", "one", "1");
  gateway.fail("/api/notes/", "lost-before");
  await expect(client.fetch("/api/notes/")).rejects.toThrow("No answer");
  expect(client.session.current.offline).toBe(true);
  expect(opened()[0]!.closed).toBe(false);
  await client.fetch("/api/notes/");
  await vi.advanceTimersByTimeAsync(0);
  expect(opened()[0]!.closed).toBe(true);
  expect(opened()).toHaveLength(2);
  expect(opened()[1]!.query["last_event_id"]).toBe("1");
  expect(errors.map(({ final }) => final)).toEqual([false]);
});

test("without an EventSource the stream ends with an error that says what to do", async () => {
  const { errors } = await open({}, { EventSource: undefined as never });
  await vi.advanceTimersByTimeAsync(0);
  expect(errors).toMatchObject([{ error: { code: "no_event_source" }, final: true }]);
});
