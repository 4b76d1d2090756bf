import { HttpTestingController, provideHttpClientTesting } from "@angular/common/http/testing";
import { TestBed } from "@angular/core/testing";
import { Router } from "@angular/router";
import { NavController } from "@ionic/angular/nav-controller";

import { ANN, FakeGateway, until } from "../fake-gateway";
import HomePage from "./home";
import LogInPage from "./log-in";
import { config } from "./main";

function provide(gateway: FakeGateway, url: string) {
  const navigateRoot = vi.fn(async () => true);
  TestBed.configureTestingModule({
    providers: [...config.providers, provideHttpClientTesting(), ...gateway.providers, { provide: NavController, useValue: { navigateRoot } }],
  });
  return { navigateRoot, open: () => TestBed.inject(Router).navigateByUrl(url) };
}

describe("the snippets of docs/clients/ionic-angular.md", () => {
  it("log in and go on to the home page", async () => {
    const gateway = new FakeGateway(null);
    const { navigateRoot } = provide(gateway, "/log-in");
    gateway.on("POST /session/", () => [200, { user: ANN, expires_at: 4102444800 }]);
    const page = TestBed.createComponent(LogInPage);
    await page.whenStable();
    page.nativeElement.querySelector("form").dispatchEvent(new Event("submit", { cancelable: true }));
    await until(() => navigateRoot.mock.calls.length === 1);
    expect(gateway.client.session.current.user).toEqual(ANN);
  });

  it("send a visitor who opens the home page to the log-in page", async () => {
    const { open } = provide(new FakeGateway(null), "/home");
    await open();
    expect(TestBed.inject(Router).url).toBe("/log-in?returnUrl=%2Fhome");
  });

  it("show the user and the notes, and log out here at once", async () => {
    const gateway = new FakeGateway(ANN);
    const { navigateRoot } = provide(gateway, "/home");
    await gateway.client.ready;
    const page = TestBed.createComponent(HomePage);
    await page.whenStable();
    const requests = TestBed.inject(HttpTestingController);
    await until(() => requests.match("/api/notes/").map((request) => request.flush({ count: 7 })).length === 1);
    await page.whenStable();
    expect(page.nativeElement.textContent).toContain(ANN.email);
    expect(page.nativeElement.textContent).toContain("7 notes");
    page.nativeElement.querySelector("button").click();
    await until(() => navigateRoot.mock.calls.length === 1);
    expect(gateway.client.session.current.status).toBe("signed-out");
  });
});
