/** A device: its storage, its clock, its network and its tabs. It can lose power at any time. */

import { type Client, type Clock, createClient, type SessionStorage } from "../src/index.js";

/** What the network does to one request. */
export type NetworkFault = "lost-before" | "lost-after" | "lost-answer" | "unavailable" | "frozen";

/** The power of a tab. `off` resolves when it is cut. */
interface Power {
  on: boolean;
  readonly off: Promise<void>;
  cut(): void;
}

/** One running client. */
export interface Tab {
  readonly client: Client;
  readonly power: Power;
  /** Tell the client of a storage event. */
  readonly notify: () => void;
}

/** Waits of the kit are this many times shorter; deadlines are not. */
const HURRY = 20;
const DEADLINE_MILLISECONDS = 5000;

export class Device {
  readonly tabs: Tab[] = [];
  /** Why users were signed out, and by which tab. */
  readonly signOuts: string[] = [];
  /** The highest generation of the session that a request has used, by session. */
  readonly used = new Map<string, number>();
  /** How often tokens have expired. */
  expirations = 0;
  offline = false;
  clockOffset = 0;
  /** What happens to the next requests: to refreshes, or to any request. */
  readonly faults: { readonly onRefresh: boolean; readonly fault: NetworkFault }[] = [];
  /** Lose power at the next write: before the value is stored, or after it. */
  powerCut: "before" | "after" | undefined;
  private stored: string | null = null;
  private readonly expired = new Set<string>();
  private readonly issued = new Set<string>();
  private cookie = "";
  private cookieExpired = false;
  private frozen: (() => void)[] = [];

  constructor(
    private readonly url: string,
    private readonly mode: "token" | "cookie",
  ) {}

  /** Start the app in one more tab. */
  async open(): Promise<Client> {
    const power = newPower();
    let notify = () => {};
    const storage: SessionStorage = {
      get: () => this.stored,
      set: (_, value) => this.write(power, value),
      subscribe: (_, listener) => {
        notify = listener;
        return () => undefined;
      },
    };
    const client = createClient({
      url: this.url,
      mode: this.mode,
      storage,
      clock: this.clock(),
      fetch: (input, init) => this.send(power, input as string, init ?? {}),
      onSignedOut: (reason) => power.on && this.signOuts.push(reason),
    });
    this.tabs.push({ client, power, notify: () => notify() });
    await client.ready;
    return client;
  }

  /** End all tabs at once, whatever they do, and start the app again. */
  async restart(): Promise<Client> {
    this.cutPower();
    return this.open();
  }

  cutPower(): void {
    for (const { power, client } of this.tabs.splice(0)) {
      power.cut();
      client.close();
    }
    this.powerCut = undefined;
    this.thaw();
  }

  /** Deliver the storage events that were held back. */
  deliverStorageEvents(): void {
    for (const { notify } of this.tabs) notify();
  }

  /** Let all access tokens that were issued until now expire. */
  expireTokens(): void {
    this.expirations++;
    for (const token of this.issued) this.expired.add(token);
    this.cookieExpired = true;
  }

  /** Let the answers arrive that were held back. */
  thaw(): void {
    for (const release of this.frozen.splice(0)) release();
  }

  /** The generation of the stored tokens and their session; undefined without tokens. */
  storedTokens(): { readonly session: string; readonly generation: number; readonly access: string } | undefined {
    const stored = JSON.parse(this.stored ?? "null") as { access?: string } | null | false;
    return stored && stored.access ? { ...claimsOf(stored.access), access: stored.access } : undefined;
  }

  private write(power: Power, value: string): void | Promise<void> {
    if (!power.on) return new Promise(() => {});
    const cut = this.powerCut;
    if (cut !== "before") this.stored = value;
    if (!cut) return undefined;
    this.cutPower();
    return new Promise(() => {});
  }

  private clock(): Clock {
    return {
      now: () => Date.now() + this.clockOffset,
      after: (milliseconds, callback) => {
        const timer = setTimeout(callback, milliseconds < DEADLINE_MILLISECONDS ? milliseconds / HURRY : milliseconds);
        return () => clearTimeout(timer);
      },
    };
  }

  private async send(power: Power, url: string, init: RequestInit): Promise<Response> {
    if (!power.on) return new Promise(() => {});
    if (this.offline) throw new TypeError("offline");
    const isRefresh = url.includes("/auth/jwt/refresh/");
    const index = this.faults.findIndex(({ onRefresh }) => !onRefresh || isRefresh);
    const [fault] = index < 0 ? [] : this.faults.splice(index, 1);
    if (fault?.fault === "lost-before") throw new TypeError("lost before the server received it");
    const headers = new Headers(init.headers);
    const access = headers.get("authorization")?.slice(7);
    if (access) this.noteUse(access);
    if (fault?.fault === "unavailable" || fault?.fault === "lost-answer") headers.set("X-Sallyport-Fault", fault.fault);
    else if ((access && this.expired.has(access)) || (this.cookieExpired && init.credentials === "include")) {
      headers.set("X-Sallyport-Fault", "expired-token");
      if (!access) this.cookieExpired = false;
    }
    if (init.credentials === "include" && this.cookie) headers.set("Cookie", this.cookie);
    if (this.mode === "cookie") headers.set("Origin", this.url);
    const response = await fetch(url, { ...init, headers, keepalive: false });
    // The body is read here, so that a lost answer is lost as a whole.
    const text = await response.text();
    for (const cookie of response.headers.getSetCookie()) this.keepCookie(cookie);
    if (fault?.fault === "frozen") await new Promise<void>((resolve) => this.frozen.push(resolve));
    if (!power.on) return new Promise(() => {});
    if (fault?.fault === "lost-after" || this.offline) throw new TypeError("the answer was lost");
    const token = /"access":\s*"([^"]+)"/.exec(text)?.[1];
    if (token) this.issued.add(token);
    return new Response(text || null, response);
  }

  private noteUse(access: string): void {
    const { session, generation } = claimsOf(access);
    this.used.set(session, Math.max(this.used.get(session) ?? 0, generation));
  }

  private keepCookie(text: string): void {
    const [pair, ...attributes] = text.split(";");
    if (!pair!.startsWith("sallyport-session=")) return;
    const cleared = attributes.some((attribute) => /max-age=0|expires=Thu, 01 Jan 1970/i.test(attribute));
    this.cookie = cleared ? "" : pair!;
  }
}

function claimsOf(token: string): { session: string; generation: number } {
  const claims = JSON.parse(Buffer.from(token.split(".")[1]!, "base64url").toString()) as { sid: string; generation: number };
  return { session: claims.sid, generation: claims.generation };
}

function newPower(): Power {
  let cut = () => {};
  const off = new Promise<void>((resolve) => (cut = resolve));
  const power: Power = {
    on: true,
    off,
    cut: () => {
      power.on = false;
      cut();
    },
  };
  return power;
}
