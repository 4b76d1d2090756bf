import { TestBed } from "@angular/core/testing";
import { provideRouter } from "@angular/router";
import { provideIonicAngular } from "@ionic/angular/provide";

import { ANN, FakeGateway, until } from "../../testing/fake-gateway";
import { Notices } from "../shell/notices";
import { SessionsPage } from "./sessions.page";

const FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
const IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Mobile/15E148 Safari/604.1";
const session = (id: string, device: string, current: boolean) => ({
  id,
  device,
  current,
  address: "192.0.2.1",
  created_at: "2026-11-01T10:00:00Z",
  last_used_at: "2026-11-28T10:00:00Z",
  expires_at: "2027-11-28T10:00:00Z",
});

async function show(confirmed: boolean, rows: () => unknown) {
  const gateway = new FakeGateway(ANN);
  gateway.on("GET /auth/sessions/", () => [200, rows()]);
  const shownTexts: string[] = [];
  const notices = { confirm: async () => confirmed, inform: async (text: string) => shownTexts.push(text), warn: async (text: string) => shownTexts.push(text) };
  TestBed.configureTestingModule({
    providers: [...gateway.providers, provideRouter([]), provideIonicAngular(), { provide: Notices, useValue: notices }],
  });
  await gateway.client.ready;
  const fixture = TestBed.createComponent(SessionsPage);
  const page = fixture.nativeElement as HTMLElement;
  const press = (text: string) => {
    const buttons = [...page.querySelectorAll<HTMLElement>("ion-button")];
    buttons.find((button) => button.textContent?.trim() === text)?.click();
  };
  await fixture.whenStable();
  return { gateway, page, press, shownTexts, fixture };
}

const headings = (page: HTMLElement) => [...page.querySelectorAll("h2")].map((one) => one.textContent?.replace(/\s+/g, " ").trim());

const BOTH = [session("1", IPHONE, false), session("2", FIREFOX, true)];

describe("SessionsPage", () => {
  it("lists this device first, by names that its user recognizes", async () => {
    const { page } = await show(true, () => BOTH);
    await until(() => headings(page).length === 2);
    expect(headings(page)).toEqual(["Firefox on Linux This device", "Safari on iPhone"]);
  });

  it("logs out one device after a question, and reads the list again", async () => {
    let rows = BOTH;
    const { gateway, page, press, shownTexts } = await show(true, () => rows);
    gateway.on("DELETE /auth/sessions/1/", () => {
      rows = rows.slice(1);
      return [204];
    });
    await until(() => headings(page).length === 2);
    press("Log out");
    await until(() => headings(page).length === 1);
    expect(shownTexts).toEqual(["The device was logged out."]);
  });

  it("logs out nothing if the user does not want to", async () => {
    const { gateway, page, press, fixture } = await show(false, () => BOTH);
    await until(() => headings(page).length === 2);
    press("Log out all other devices");
    await fixture.whenStable();
    expect(gateway.requests.filter((request) => !request.startsWith("GET"))).toEqual([]);
  });

  it("reads the list again when the user comes back to the page", async () => {
    let rows = BOTH;
    const { page, fixture } = await show(true, () => rows);
    await until(() => headings(page).length === 2);
    rows = rows.slice(1);
    fixture.componentInstance.ionViewDidEnter();
    await until(() => headings(page).length === 1);
  });

  it("offers to try again when the list could not be read", async () => {
    const { gateway, page, press, fixture } = await show(true, () => BOTH);
    await until(() => headings(page).length === 2);
    gateway.on("GET /auth/sessions/", () => [500, {}]);
    fixture.componentInstance.ionViewDidEnter();
    await until(() => page.querySelector("[role=alert]") !== null);
    gateway.on("GET /auth/sessions/", () => [200, BOTH]);
    press("Try again");
    await until(() => headings(page).length === 2);
  });

  it("shows nothing of a user who logged out", async () => {
    const { gateway, page } = await show(true, () => BOTH);
    await until(() => headings(page).length === 2);
    await gateway.client.logOut();
    await until(() => headings(page).length === 0);
  });
});
