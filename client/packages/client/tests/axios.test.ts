/** The axios adapter, over a real connection to a small server. */

import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";

import axios, { type AxiosInstance } from "axios";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";

import { withSallyport } from "../src/adapters/axios.js";
import { createClient, memoryStorage } from "../src/index.js";

let server: Server;
let url: string;
let received: { path: string; authorization: string | undefined; body: string }[] = [];
let valid = "new";
let refusals: number[] = [];

beforeAll(async () => {
  server = createServer(async (request, response) => {
    let body = "";
    for await (const part of request) body += part;
    const { authorization } = request.headers;
    received.push({ path: request.url!, authorization, body });
    const send = (status: number, json: unknown) => response.writeHead(status, { "Content-Type": "application/json", "Retry-After": "1" }).end(JSON.stringify(json));
    if (request.url === "/auth/jwt/refresh/") return valid ? send(200, { access: valid, refresh: "r2" }) : send(401, {});
    const refusal = refusals.shift();
    if (refusal) return send(refusal, {});
    if (request.url === "/lost") return void request.socket.destroy();
    return authorization === `Bearer ${valid}` ? send(200, { body }) : send(401, { detail: "Expired." });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});
beforeEach(() => {
  received = [];
  valid = "new";
  refusals = [];
});

async function signedInAxios(): Promise<AxiosInstance> {
  const storage = memoryStorage();
  await storage.set("sallyport", JSON.stringify({ access: "old", refresh: "r1", user: { id: "1" } }));
  return withSallyport(axios.create({ baseURL: url }), createClient({ url, storage }));
}

test("five requests with an expired token cause one refresh; each body is serialized once", async () => {
  const http = await signedInAxios();
  const answers = await Promise.all([1, 2, 3, 4, 5].map((number) => http.post<{ body: string }>("/notes", { number })));
  expect(answers.map(({ data }) => data.body)).toEqual([1, 2, 3, 4, 5].map((number) => JSON.stringify({ number })));
  expect(received.filter(({ path }) => path === "/auth/jwt/refresh/")).toHaveLength(1);
});

test("FormData is sent again after a 401", async () => {
  const http = await signedInAxios();
  const form = new FormData();
  form.set("file", new Blob(["content"]), "name.txt");
  expect((await http.post<{ body: string }>("/notes", form)).data.body).toContain("content");
});

test("a refused refresh rejects every request with axios's own error", async () => {
  const http = await signedInAxios();
  valid = "";
  const answers = await Promise.allSettled([1, 2, 3].map(() => http.get("/notes")));
  expect(answers).toMatchObject([1, 2, 3].map(() => ({ status: "rejected", reason: { isAxiosError: true, response: { status: 401 } } })));
});

test("validateStatus of the caller is respected", async () => {
  const http = await signedInAxios();
  valid = "";
  expect((await http.get("/notes", { validateStatus: () => true })).status).toBe(401);
});

test("a lost answer is axios's network error, and a POST is not repeated", async () => {
  const http = await signedInAxios();
  await expect(http.post("/lost", {})).rejects.toMatchObject({ isAxiosError: true });
  expect(received).toHaveLength(1);
});

test("a GET waits out a 503; another origin gets no token", async () => {
  const http = await signedInAxios();
  refusals = [503];
  expect((await http.get("/notes")).status).toBe(200);
  received = [];
  await axios.get(url, { validateStatus: () => true });
  await http.get(url.replace("127.0.0.1", "localhost"), { validateStatus: () => true }).catch(() => undefined);
  expect(received.map(({ authorization }) => authorization)).not.toContain("Bearer new");
});

test("an aborted request rejects with axios's cancellation", async () => {
  const http = await signedInAxios();
  const controller = new AbortController();
  const answer = http.get("/notes", { signal: controller.signal });
  controller.abort();
  await expect(answer).rejects.toSatisfy((error: Error) => axios.isCancel(error) || error.name === "AbortError");
});
