import { TestBed } from "@angular/core/testing";

import { ANN, BOB, FakeGateway, until } from "../../testing/fake-gateway";
import type { Note } from "./note";
import { NotesStore } from "./notes-store";

const note = (id: string, title: string, second = 1): Note => ({
  id,
  title,
  body: "",
  created_at: `2026-11-28T20:00:0${id}.000000Z`,
  updated_at: `2026-11-28T20:01:0${second}.000000Z`,
});
const page = (...results: Note[]) => [200, { count: results.length, next: null, results }] as const;
const BREAD = note("1", "Bread");
const FERRY = note("2", "Ferry");

let gateway: FakeGateway;

async function start(...notes: Note[]): Promise<NotesStore> {
  gateway = new FakeGateway(ANN);
  gateway.on("GET /api/notes/", () => page(...notes));
  TestBed.configureTestingModule({ providers: [...gateway.providers, NotesStore] });
  await gateway.client.ready;
  const store = TestBed.inject(NotesStore);
  TestBed.tick();
  await until(() => store.loading() === "loaded" && gateway.openStreams === 1);
  gateway.openStream();
  await until(() => gateway.requests.filter((request) => request === "GET /api/notes/").length === 2);
  await until(() => store.all().length === notes.length);
  return store;
}

const titles = (store: NotesStore) => store.all().map(({ title }) => title);

describe("NotesStore", () => {
  it("shows what other devices create, change and delete", async () => {
    const store = await start(BREAD);
    expect(store.live()).toBe(true);
    gateway.send("created", FERRY);
    expect(titles(store)).toEqual(["Ferry", "Bread"]);
    gateway.send("changed", note("1", "Rye bread", 2));
    expect(titles(store)).toEqual(["Ferry", "Rye bread"]);
    gateway.send("deleted", { id: "2" });
    expect(titles(store)).toEqual(["Rye bread"]);
    expect(store.count()).toBe(1);
  });

  it("reads the list again after a stream that broke before its first event", async () => {
    const store = await start();
    gateway.on("GET /api/notes/", () => page(FERRY));
    gateway.breakStream();
    expect(store.live()).toBe(false);
    await until(() => gateway.openStreams === 1);
    gateway.openStream();
    await until(() => titles(store).length === 1);
    expect(store.live()).toBe(true);
  });

  it("counts a note once that it created and that the stream reports", async () => {
    const store = await start();
    gateway.on("POST /api/notes/", () => [201, BREAD]);
    await store.save({ title: "Bread", body: "" });
    gateway.send("created", BREAD);
    expect([titles(store), store.count()]).toEqual([["Bread"], 1]);
  });

  it("keeps the newer of two versions, in whatever order they come", async () => {
    const store = await start(note("1", "New", 5));
    gateway.send("changed", note("1", "Old", 2));
    expect(titles(store)).toEqual(["New"]);
  });

  it("does not bring back a note that was deleted", async () => {
    const store = await start(BREAD);
    gateway.on("DELETE /api/notes/1/", () => [204]);
    await store.delete("1");
    gateway.send("changed", note("1", "Bread", 9));
    await store.load();
    expect(titles(store)).toEqual([]);
  });

  it("counts a note as deleted that is gone already", async () => {
    const store = await start(BREAD);
    gateway.on("DELETE /api/notes/1/", () => [404, { code: "not_found" }]);
    await store.delete("1");
    expect(titles(store)).toEqual([]);
  });

  it("rejects with the error of the server, and keeps the list", async () => {
    const store = await start(BREAD);
    gateway.on("PATCH /api/notes/1/", () => [400, { code: "invalid_fields", errors: { title: ["Too long."] } }]);
    await expect(store.save({ title: "x", body: "" }, "1")).rejects.toMatchObject({ fields: { title: ["Too long."] } });
    expect(titles(store)).toEqual(["Bread"]);
  });

  it("searches at the server, and hides events that do not match", async () => {
    const store = await start(BREAD, FERRY);
    gateway.on("GET /api/notes/", (_body, url) => (url.searchParams.get("q") === "ferry" ? page(FERRY) : page(BREAD, FERRY)));
    await store.search("ferry");
    gateway.send("created", note("3", "Books"));
    expect(titles(store)).toEqual(["Ferry"]);
  });

  it("shows the answer to the last search, also if an earlier one comes later", async () => {
    const store = await start(BREAD, FERRY);
    let answerFirst: () => void = () => undefined;
    const first = new Promise<void>((resolve) => (answerFirst = resolve));
    gateway.on("GET /api/notes/", async (_body, url) => {
      if (url.searchParams.get("q") !== "b") return page(FERRY);
      await first;
      return page(BREAD);
    });
    const earlier = store.search("b");
    await store.search("f");
    answerFirst();
    await earlier;
    expect(titles(store)).toEqual(["Ferry"]);
  });

  it("keeps what changed while the list was being read", async () => {
    const store = await start(BREAD);
    let answer: () => void = () => undefined;
    const slow = new Promise<void>((resolve) => (answer = resolve));
    gateway.on("GET /api/notes/", () => slow.then(() => page(BREAD)));
    const reading = store.load();
    gateway.send("created", FERRY);
    gateway.send("changed", note("1", "Rye bread", 2));
    answer();
    await reading;
    expect([titles(store), store.count()]).toEqual([["Ferry", "Rye bread"], 2]);
  });

  it("says that the list could not be read", async () => {
    const store = await start(BREAD);
    gateway.on("GET /api/notes/", () => [500, {}]);
    await store.load();
    expect(store.loading()).toBe("failed");
  });

  it("holds nothing after a log-out, and ends the stream", async () => {
    const store = await start(BREAD);
    await gateway.client.logOut();
    TestBed.tick();
    expect([titles(store), store.count(), store.live(), gateway.openStreams]).toEqual([[], 0, false, 0]);
  });

  it("drops an answer for the user who left", async () => {
    const store = await start(BREAD);
    let answer: () => void = () => undefined;
    const slow = new Promise<void>((resolve) => (answer = resolve));
    gateway.on("GET /api/notes/", () => slow.then(() => page(note("9", "Ann's secret"))));
    const reading = store.load();
    gateway.on("GET /session/", () => [200, { user: BOB, expires_at: 4102444800 }]);
    await gateway.client.check();
    gateway.on("GET /api/notes/", () => page(FERRY));
    TestBed.tick();
    answer();
    await reading;
    await until(() => store.loading() === "loaded");
    expect(titles(store)).toEqual(["Ferry"]);
  });
});
