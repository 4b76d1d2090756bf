import { DOCUMENT } from "@angular/core";
import { TestBed } from "@angular/core/testing";
import { Router } from "@angular/router";
import { NavController } from "@ionic/angular/nav-controller";

import { ANN, BOB, FakeGateway, until } from "../../testing/fake-gateway";
import { SessionNavigation } from "./session-navigation";

async function start(url: string, user: object | null) {
  const gateway = new FakeGateway(user);
  const navigateRoot = vi.fn(async () => true);
  const reload = vi.fn();
  const view = Object.assign(new EventTarget(), { location: { reload } });
  TestBed.configureTestingModule({
    providers: [
      ...gateway.providers,
      { provide: NavController, useValue: { navigateRoot } },
      { provide: Router, useValue: { url, parseUrl: () => ({ queryParams: { returnUrl: "/settings" } }) } },
      { provide: DOCUMENT, useValue: { defaultView: view, documentElement: { hidden: false }, querySelectorAll: () => [] } },
    ],
  });
  await gateway.client.ready;
  const navigation = TestBed.inject(SessionNavigation);
  navigation.start();
  return { gateway, navigation, navigateRoot, reload, view };
}

const ROOT = { replaceUrl: true, animated: false };

describe("SessionNavigation", () => {
  it("opens the page that was wanted after a log-in, in whatever tab", async () => {
    const { gateway, navigateRoot } = await start("/log-in?returnUrl=/settings", null);
    gateway.on("POST /session/", () => [200, { user: ANN, expires_at: 4102444800 }]);
    await gateway.client.logIn({ email: ANN.email, password: "x" });
    expect(navigateRoot).toHaveBeenCalledWith("/settings", { replaceUrl: true });
  });

  it("removes every page and opens the log-in page after a log-out", async () => {
    const { gateway, navigateRoot } = await start("/settings", ANN);
    await gateway.client.logOut();
    expect(navigateRoot).toHaveBeenCalledWith("/log-in", { queryParams: { reason: "logged-out" }, ...ROOT });
    expect(gateway.requests).toContain("DELETE /session/");
  });

  it("remembers the page when the session has ended", async () => {
    const { gateway, navigateRoot } = await start("/settings", ANN);
    gateway.on("GET /auth/sessions/", () => [401, { code: "session_ended" }]);
    gateway.on("GET /session/", () => [401]);
    await expect(gateway.client.sessions.list()).rejects.toThrow();
    const queryParams = { reason: "expired", returnUrl: "/settings" };
    expect(navigateRoot).toHaveBeenCalledWith("/log-in", { queryParams, ...ROOT });
  });

  it("says that the account was deleted", async () => {
    const { gateway, navigation, navigateRoot } = await start("/settings", ANN);
    gateway.on("DELETE /auth/users/me/", () => [204]);
    await navigation.because("deleted", () => gateway.client.users.delete({ current_password: "x" }));
    expect(navigateRoot).toHaveBeenCalledWith("/log-in", { queryParams: { reason: "deleted" }, ...ROOT });
  });

  it.each([403, 429, 500])("stays where it is after a %s", async (status) => {
    const { gateway, navigateRoot } = await start("/settings", ANN);
    gateway.on("GET /auth/sessions/", () => [status, { detail: "no" }]);
    await expect(gateway.client.sessions.list()).rejects.toThrow();
    expect(gateway.client.session.current.status).toBe("signed-in");
    expect(navigateRoot).not.toHaveBeenCalled();
  });

  it("starts the app again when another user took over", async () => {
    const { gateway, reload } = await start("/home", ANN);
    gateway.on("GET /session/", () => [200, { user: BOB, expires_at: 4102444800 }]);
    await gateway.client.check();
    await until(() => reload.mock.calls.length === 1);
  });

  it("starts the app again when the browser shows a frozen page", async () => {
    const { view, reload } = await start("/home", ANN);
    view.dispatchEvent(Object.assign(new Event("pageshow"), { persisted: false }));
    expect(reload).not.toHaveBeenCalled();
    view.dispatchEvent(Object.assign(new Event("pageshow"), { persisted: true }));
    expect(reload).toHaveBeenCalledOnce();
  });
});
