/** @vitest-environment jsdom */
/** The Angular adapter without zone.js: interceptor, guards and signal. */

import "@angular/compiler";

import { HttpClient, HttpErrorResponse, provideHttpClient, withInterceptors } from "@angular/common/http";
import { HttpTestingController, provideHttpClientTesting } from "@angular/common/http/testing";
import { effect, provideZonelessChangeDetection } from "@angular/core";
import { TestBed } from "@angular/core/testing";
import { BrowserTestingModule, platformBrowserTesting } from "@angular/platform-browser/testing";
import { provideRouter, Router } from "@angular/router";
import { firstValueFrom, lastValueFrom, toArray } from "rxjs";
import { afterEach, beforeAll, beforeEach, expect, test, vi } from "vitest";

import { authGuard, autoLoginGuard, injectClient, injectSession, provideSallyport, sallyportInterceptor } from "../src/adapters/angular.js";
import { ANN, setUp, type SetUp, signedIn } from "./support/clients.js";

const NOTES = "https://gateway.test/api/notes/";

let http: HttpTestingController;

beforeAll(() => TestBed.initTestEnvironment(BrowserTestingModule, platformBrowserTesting()));
beforeEach(() => TestBed.resetTestingModule());
afterEach(() => http?.verify());

function provide({ client }: SetUp) {
  TestBed.configureTestingModule({
    providers: [
      provideZonelessChangeDetection(),
      provideSallyport(client),
      provideHttpClient(withInterceptors([sallyportInterceptor])),
      provideHttpClientTesting(),
      provideRouter([
        { path: "login", canMatch: [autoLoginGuard()], children: [] },
        { path: "home", canActivate: [authGuard()], children: [] },
        { path: "settings", canMatch: [authGuard("/login")], children: [] },
      ]),
    ],
  });
  http = TestBed.inject(HttpTestingController);
}

const pending = (url = NOTES) =>
  vi.waitFor(() => {
    const found = http.match(url);
    expect(found.length).toBeGreaterThan(0);
    return found;
  });

test("an expired token is renewed once for parallel requests, and each is repeated", async () => {
  const system = await signedIn();
  provide(system);
  const client = TestBed.inject(HttpClient);
  const answers = Promise.all([1, 2, 3].map((number) => firstValueFrom(client.post(NOTES, { number }))));
  const first = await pending();
  const token = first[0]!.request.headers.get("Authorization");
  first.forEach((request) => request.flush({}, { status: 401, statusText: "Unauthorized" }));
  const second = await pending();
  expect(second).toHaveLength(3);
  expect(second[0]!.request.headers.get("Authorization")).not.toBe(token);
  second.forEach((request) => request.flush(request.request.body));
  expect(await answers).toEqual([{ number: 1 }, { number: 2 }, { number: 3 }]);
  expect(system.gateway.count("/auth/jwt/refresh/")).toBe(1);
});

test("a refused refresh rejects every request with its 401", async () => {
  const system = await signedIn();
  provide(system);
  system.gateway.endSessions();
  const client = TestBed.inject(HttpClient);
  const answers = Promise.allSettled([1, 2, 3].map(() => firstValueFrom(client.get(NOTES))));
  (await pending()).forEach((request) => request.flush({ detail: "x" }, { status: 401, statusText: "Unauthorized" }));
  expect((await answers).map((answer) => (answer as PromiseRejectedResult).reason)).toMatchObject([1, 2, 3].map(() => ({ status: 401, error: { detail: "x" } })));
  expect(TestBed.runInInjectionContext(injectSession)().status).toBe("signed-out");
});

test("another origin and the page's own files get no token", async () => {
  provide(await signedIn());
  const client = TestBed.inject(HttpClient);
  for (const url of ["https://evil.test/", "assets/en.json"]) {
    const answer = firstValueFrom(client.get(url));
    const [request] = await pending(url);
    expect(request!.request.headers.has("Authorization")).toBe(false);
    request!.flush({});
    await answer;
  }
});

test("progress events pass, and an unsubscribed request is cancelled", async () => {
  provide(await signedIn());
  const client = TestBed.inject(HttpClient);
  const events = lastValueFrom(client.get(NOTES, { observe: "events", reportProgress: true }).pipe(toArray()));
  const [request] = await pending();
  request!.flush({});
  expect((await events).map(({ type }) => type)).toEqual([0, 4]);
  const subscription = client.get(NOTES).subscribe();
  const [cancelled] = await pending();
  subscription.unsubscribe();
  expect(cancelled!.cancelled).toBe(true);
});

test("a lost answer is Angular's error with status 0, and the session shows offline", async () => {
  provide(await signedIn());
  const answer = firstValueFrom(TestBed.inject(HttpClient).get(NOTES));
  (await pending())[0]!.error(new ProgressEvent("error"));
  const error: unknown = await answer.catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(HttpErrorResponse);
  expect(error).toMatchObject({ status: 0 });
  expect(TestBed.runInInjectionContext(injectSession)()).toMatchObject({ status: "signed-in", offline: true });
});

test("a refresh that fails for the moment is an HttpErrorResponse, and signs nobody out", async () => {
  const system = await signedIn();
  provide(system);
  system.gateway.fail("/auth/jwt/refresh/", "lost-before", "lost-before");
  const answer = firstValueFrom(TestBed.inject(HttpClient).get(NOTES));
  (await pending())[0]!.flush({}, { status: 401, statusText: "Unauthorized" });
  const error: unknown = await answer.catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(HttpErrorResponse);
  expect(error).toMatchObject({ status: 0 });
  expect(system.client.session.current.status).toBe("signed-in");
});

test("guards send users without a session to the log-in page, and others away from it", async () => {
  const system = await setUp();
  provide(system);
  const router = TestBed.inject(Router);
  await router.navigateByUrl("/settings");
  expect(router.url).toBe("/login?returnUrl=%2Fsettings");
  await router.navigateByUrl("/home");
  expect(router.url).toBe("/login?returnUrl=%2Fhome");
  await system.client.logIn(ANN);
  await router.navigateByUrl("/settings");
  expect(router.url).toBe("/settings");
  await router.navigateByUrl("/login");
  expect(router.url).toBe("/home");
});

test("the session is a signal", async () => {
  const system = await setUp();
  provide(system);
  const seen: string[] = [];
  TestBed.runInInjectionContext(() => {
    const session = injectSession();
    expect(injectClient()).toBe(system.client);
    effect(() => void seen.push(session().status));
  });
  TestBed.tick();
  await system.client.logIn(ANN);
  TestBed.tick();
  expect(seen).toEqual(["signed-out", "signed-in"]);
});
