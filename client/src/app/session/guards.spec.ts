import { Component } from "@angular/core";
import { TestBed } from "@angular/core/testing";
import { provideRouter, Router } from "@angular/router";

import { ANN, FakeGateway } from "../../testing/fake-gateway";
import { authGuard, autoLoginGuard, pageAfterLogIn } from "./guards";

@Component({ template: "" })
class Page {}

async function open(path: string, user: object | null): Promise<string> {
  const gateway = new FakeGateway(user);
  const routes = [
    { path: "log-in", canMatch: [autoLoginGuard], component: Page },
    { path: "home", canMatch: [authGuard], component: Page },
    { path: "settings", canMatch: [authGuard], component: Page },
  ];
  TestBed.configureTestingModule({ providers: [...gateway.providers, provideRouter(routes)] });
  const router = TestBed.inject(Router);
  await router.navigateByUrl(path);
  return router.url;
}

describe("guards", () => {
  it("lets a user pass", async () => {
    expect(await open("/settings", ANN)).toBe("/settings");
  });

  it("sends a visitor to the log-in page, which knows the page that was wanted", async () => {
    expect(await open("/settings", null)).toBe("/log-in?returnUrl=%2Fsettings");
  });

  it("sends a user who is logged in from the log-in page to the home page", async () => {
    expect(await open("/log-in", ANN)).toBe("/home");
  });
});

describe("pageAfterLogIn", () => {
  it.each([
    ["/settings", "/settings"],
    ["/log-in", "/home"],
    ["//evil.example", "/home"],
    ["https://evil.example/settings", "/home"],
    [undefined, "/home"],
  ])("of %s is %s", (wanted, page) => {
    expect(pageAfterLogIn(wanted)).toBe(page);
  });
});
