/** One life of an app: random steps on a device, and what must be true at each of them. */

import { type Client, NetworkError } from "../src/index.js";
import { Device, type NetworkFault } from "./device.js";
import { type Random, randomOf } from "./random.js";

/** Milliseconds after which a promise of a living client counts as hanging. */
const SETTLE_MILLISECONDS = 90_000;
const STEPS = 16;
const LONGEST_CLOCK_STEP = 400 * 86_400_000;

const JSON_BODY = { "Content-Type": "application/json" };

export interface Account {
  readonly email: string;
  readonly password: string;
}

/** What a life did, to see that the lives did what they are for. */
export interface Diary {
  readonly requests: number;
  readonly steps: Readonly<Record<string, number>>;
}

/** Play a life, which `number` and `seed` determine. Rejects if something happened that must not happen. */
export async function live(url: string, account: Account, number: number, seed: number): Promise<Diary> {
  return new Life(url, account, number, seed).play();
}

type Step = (random: Random) => void | Promise<unknown>;

class Life {
  private readonly random: Random;
  private readonly device: Device;
  private readonly pending: Promise<unknown>[] = [];
  private readonly created = new Set<string>();
  private readonly counts: Record<string, number> = {};
  private requests = 0;
  /** What the titles of this life's notes begin with. */
  private readonly titles: string;

  constructor(
    url: string,
    private readonly account: Account,
    number: number,
    seed: number,
  ) {
    this.random = randomOf(seed * 1_000_003 + number);
    this.titles = `life-${number}-`;
    this.device = new Device(url, this.random.chance(0.8) ? "token" : "cookie");
  }

  /** Each step by its name; a name that stands twice is twice as likely. */
  private readonly steps: readonly [string, Step][] = [
    ["read", () => this.read(1)],
    ["read", () => this.read(1)],
    ["readInParallel", () => this.read(5)],
    ["create", () => this.create()],
    ["create", () => this.create()],
    ["expire", () => this.device.expireTokens()],
    ["expire", () => this.device.expireTokens()],
    ["expireAndReadEverywhere", () => this.expireAndReadEverywhere()],
    ["openTab", () => this.device.tabs.length < 4 && this.device.open()],
    ["restart", () => this.restart()],
    ["powerCut", (random) => this.powerCut(random.pick(["before", "after"]))],
    ["fault", (random) => this.fault(random, false)],
    ["faultOfRefresh", (random) => this.fault(random, true)],
    ["faultOfRefresh", (random) => this.fault(random, true)],
    ["offline", () => void (this.device.offline = true)],
    ["online", () => void (this.device.offline = false)],
    ["online", () => void (this.device.offline = false)],
    ["clockStep", (random) => void (this.device.clockOffset = (random.next() * 2 - 1) * LONGEST_CLOCK_STEP)],
    ["storageEvents", () => this.device.deliverStorageEvents()],
    ["thaw", () => this.device.thaw()],
    ["check", () => this.start((client) => client.check())],
    ["settle", () => this.settle()],
  ];

  async play(): Promise<Diary> {
    const first = await this.device.open();
    await first.logIn(this.account);
    for (let step = 0; step < STEPS; step++) {
      const [name, act] = this.random.pick(this.steps);
      this.counts[name] = (this.counts[name] ?? 0) + 1;
      await this.settles(act(this.random), name);
      if (this.random.chance(0.5)) await this.settles(new Promise((resolve) => setImmediate(resolve)), name);
      if (!this.device.tabs.length) await this.restart(); // the power was cut
    }
    await this.end();
    return { requests: this.requests, steps: this.counts };
  }

  /** Everything works again: the app is started anew, and must be signed in; then the user logs out. */
  private async end(): Promise<void> {
    this.device.offline = false;
    this.device.faults.length = 0;
    this.device.powerCut = undefined;
    await this.settle();
    await this.restart();
    this.device.expireTokens();
    const client = this.device.tabs[0]!.client;
    const list = client.json<{ results: { title: string }[] }>(`/api/notes/?page_size=100&q=${this.titles}`);
    const notes = (await this.settles(list, "the list of notes")).results.map(({ title }) => title);
    this.expectSignedIn();
    if (new Set(notes).size < notes.length) this.fail(`notes were created twice: ${notes.join(", ")}`);
    for (const title of this.created) if (!notes.includes(title)) this.fail(`the note ${title} is missing`);
    const stored = this.device.storedTokens();
    if (!(await this.settles(client.logOut(), "log-out"))) this.fail("the server did not confirm the log-out");
    if (this.device.storedTokens()) this.fail("tokens are stored after the log-out");
    if (stored && (await client.fetch("/auth/users/me/", { headers: { Authorization: `Bearer ${stored.access}` } })).ok) {
      this.fail("the token is still accepted after the log-out");
    }
    this.device.cutPower();
  }

  private read(count: number): void {
    for (let each = 0; each < count; each++) {
      this.start(async (client) => {
        const before = this.device.expirations;
        const { status } = await client.fetch("/auth/users/me/");
        // A request is repeated once: its second token may have expired as well.
        if (status === 401 && this.device.expirations === before) this.fail("a request of a signed-in user was answered 401");
      });
    }
  }

  private create(): void {
    const title = `${this.titles}${this.requests}`;
    this.start(async (client) => {
      const before = this.device.expirations;
      const { status } = await client.fetch("/api/notes/", { method: "POST", body: JSON.stringify({ title }), headers: JSON_BODY });
      if (status === 201) this.created.add(title);
      else if (status < 429 && (status !== 401 || this.device.expirations === before)) this.fail(`a note was answered ${status}`);
    });
  }

  private expireAndReadEverywhere(): void {
    this.device.expireTokens();
    for (let each = 0; each < this.device.tabs.length * 2; each++) this.read(1);
  }

  private fault(random: Random, onRefresh: boolean): void {
    const faults: NetworkFault[] = ["lost-before", "lost-after", "lost-answer", "unavailable", "frozen"];
    this.device.faults.push({ onRefresh, fault: random.pick(faults) });
  }

  private powerCut(moment: "before" | "after"): void {
    this.device.powerCut = moment;
    this.device.expireTokens();
    this.read(1);
  }

  private async restart(): Promise<void> {
    this.expectStoredTokensToLast();
    await this.device.restart();
    this.expectSignedIn();
  }

  /** Start a request in any tab. It ends some day, by an answer or an error, unless its tab loses power. */
  private start(request: (client: Client) => Promise<unknown>): void {
    const tab = this.random.pick(this.device.tabs);
    if (!tab) return;
    this.requests++;
    const ended = request(tab.client).catch((error: unknown) => {
      if (!(error instanceof NetworkError) && !isRefusedForTheMoment(error)) throw error;
    });
    const either = Promise.race([ended, tab.power.off]);
    either.catch(() => undefined); // reported by settle()
    this.pending.push(either);
  }

  private async settle(): Promise<void> {
    this.device.thaw();
    const thawing = setInterval(() => this.device.thaw(), 20);
    try {
      await this.settles(Promise.all(this.pending.splice(0)), "the requests under way");
    } finally {
      clearInterval(thawing);
    }
    if (this.device.tabs.length) this.expectSignedIn();
  }

  private expectSignedIn(): void {
    if (this.device.signOuts.length) this.fail(`signed out: ${this.device.signOuts.join(", ")}`);
    for (const { client } of this.device.tabs) {
      if (client.session.current.status !== "signed-in") this.fail(`a tab is ${client.session.current.status}`);
    }
  }

  /** The server forgives the token before the last used one for its grace time only. */
  private expectStoredTokensToLast(): void {
    const stored = this.device.storedTokens();
    const used = stored && this.device.used.get(stored.session);
    if (stored && used && stored.generation < used) this.fail(`generation ${stored.generation} is stored, ${used} was used`);
  }

  private async settles<T>(work: T | Promise<T>, name: string): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`${name} did not settle`)), SETTLE_MILLISECONDS);
    });
    try {
      return await Promise.race([work, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  private fail(what: string): never {
    throw new Error(what);
  }
}

function isRefusedForTheMoment(error: unknown): boolean {
  const status = (error as { status?: number }).status ?? 0;
  return status === 429 || status >= 500;
}
