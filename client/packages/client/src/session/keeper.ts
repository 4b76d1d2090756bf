/**
 * Keeps the session: in memory, in the storage, and together with other tabs.
 *
 * There is no lock between tabs: the server gives every holder of a refresh token the same successor (decision 0039).
 * New tokens are stored before they are used. So a client that is killed between both still has a valid token.
 */

import type { BrowserSession, User } from "../api-types.js";
import { withDeadline } from "../clock.js";
import { type Credential, credentialOf, isOfSameUser, parseStored, replaces, type StoredSession } from "./credential.js";
import { callSafely, type SessionStateHolder } from "./state.js";
import type { SessionStorage } from "./storage.js";
import { type Call, tokensOf, type Transport } from "../transport.js";

/** Seconds after which a read or write of the storage counts as failed. */
const STORAGE_SECONDS = 5;

/** Why the user is signed out. */
export type SignOutReason = "log-out" | "session-ended" | "other-tab";

/** What the keeper is built of. */
export interface KeeperOptions {
  readonly cookies: boolean;
  readonly key: string;
  readonly storage: SessionStorage;
  readonly transport: Transport;
  readonly state: SessionStateHolder;
  readonly onSignedOut: ((reason: SignOutReason) => void) | undefined;
  readonly onStorageError: ((error: unknown) => void) | undefined;
}

/** Holds the credential, and replaces it when the server, the storage or another tab has a newer one. */
export class SessionKeeper {
  readonly #options: KeeperOptions;
  /** What authenticates the next request; null if nobody is signed in. */
  credential: Credential | null = null;
  /** Whether this client got the credential from the server; otherwise from the storage. */
  isFromServer = false;
  /** Whether the log-out must still be sent to the server (cookie mode). */
  #logOutPending = false;
  /** The stored text as last read or written, so that only news from other tabs count. */
  #known: string | null | undefined;
  /** The last change, if it could not be written. */
  #unwritten: StoredSession | undefined;
  #renewal: Promise<void> | undefined;
  #flushing: Promise<void> | undefined;
  /** Counts changes of the session, so that a slow read or write does not undo a later change. */
  #changes = 0;
  /** The running write. Writes take turns: an earlier one must not end last. */
  #writing: Promise<boolean | undefined> | undefined;

  constructor(options: KeeperOptions) {
    this.#options = options;
  }

  /** Read the storage, and take over what another tab wrote. */
  async readStorage(): Promise<void> {
    const { cookies, storage, key } = this.#options;
    const changes = this.#changes;
    const text = await this.#access(() => storage.get(key));
    // While something is written, the storage still has what it replaces.
    if (text === undefined || text === this.#known || changes !== this.#changes || this.#writing) return;
    this.#known = text;
    const stored = parseStored(text, cookies);
    if (stored === undefined) return; // cleared by the browser or the system: what is in memory stays valid
    this.#logOutPending = stored === false;
    const credential = stored && credentialOf(stored.access, stored.refresh, stored.user);
    if (credential && !replaces(credential, this.credential)) return this.#options.state.update({ user: stored.user });
    this.#unwritten = undefined;
    if (credential) this.#set(credential, stored.user);
    else this.#forget("other-tab");
  }

  /** Begin a session, at once: an answer about the one before must not replace it. Resolves when it is stored, or cannot be. */
  begin(credential: Credential, user: User | null): Promise<void> {
    this.#set(credential, user);
    return this.keep(credential, user);
  }

  /** Keep a new credential of the session, and store it. Resolves when it is stored, or cannot be. */
  async keep(credential: Credential, user: User | null): Promise<void> {
    const { access, refresh } = credential;
    this.#logOutPending = false;
    const changes = ++this.#changes;
    await this.#write({ access, refresh, user });
    if (changes !== this.#changes) return;
    this.#set(credential, user);
    this.isFromServer = true;
  }

  /** Keep the user of the present session. Ignored if somebody else is signed in by now. */
  async keepUser(user: User): Promise<void> {
    while (this.#writing) await this.#writing; // new tokens are used once they are stored
    await this.readStorage(); // another tab may have stored newer tokens, which must stay
    const { credential } = this;
    const isTheirs = credential && (!credential.subject || credential.subject === user.id);
    if (isTheirs) await this.keep(credential, user);
  }

  /** Sign out here and in the storage. Sends nothing to the server. */
  async clear(reason: SignOutReason, logOutPending = false): Promise<void> {
    if (!this.credential) return;
    this.#logOutPending = logOutPending;
    this.#forget(reason);
    await this.#write(logOutPending ? false : null);
  }

  /** Try again to store what could not be stored. Not awaited: a storage that hangs holds no request back. */
  flush(): void {
    if (this.#unwritten !== undefined) this.#flushing ??= this.#writeAgain().finally(() => (this.#flushing = undefined));
  }

  /**
   * Get a new credential after the server refused `used`, once for all callers that wait.
   *
   * Returns whether the request may be sent again: false if the session has ended, or if somebody else is signed in
   * now. Rejects with a NetworkError or an ApiError if the server could not decide; the user then stays signed in.
   */
  async renew(used: Credential): Promise<boolean> {
    if (this.credential === used) {
      this.#renewal ??= this.#replace(used).finally(() => (this.#renewal = undefined));
      await this.#renewal;
    }
    return this.isFor(used);
  }

  /** Return whether a request that was sent with `used` may be sent again: no request changes its user. */
  isFor(used: Credential | null): boolean {
    return used && this.credential ? isOfSameUser(this.credential, used) : used === this.credential;
  }

  /** Ask the gateway who is signed in by the cookie. */
  async readCookieSession(): Promise<void> {
    const { transport } = this.#options;
    if (this.#logOutPending && !(await this.#endCookieSession())) return;
    const before = this.credential;
    const response = await transport.call({ method: "GET", path: "/session/", repeatable: true, init: { credentials: "include" } });
    const found = response.ok ? ((await response.json()) as BrowserSession) : null;
    if (this.credential !== before || this.#logOutPending) return; // a log-in or log-out meanwhile
    if (response.status === 401) return this.clear("session-ended");
    if (!found) throw await transport.errorOf(response);
    await this.keep(credentialOf("", "", found.user), found.user);
  }

  /** End the session of `credential` at the server. Returns whether the server confirmed it. */
  async endAtServer(credential: Credential): Promise<boolean> {
    if (this.#options.cookies) return this.#endCookieSession();
    const body = { refresh: credential.refresh };
    return this.#confirmed({ method: "POST", path: "/auth/jwt/blacklist/", body, repeatable: true, init: { keepalive: true } });
  }

  async #endCookieSession(): Promise<boolean> {
    const init: RequestInit = { credentials: "include", keepalive: true };
    const ended = await this.#confirmed({ method: "DELETE", path: "/session/", repeatable: true, init });
    if (ended && this.#logOutPending) {
      this.#logOutPending = false;
      await this.#write(null);
    }
    return ended;
  }

  /** Return whether the session of the call has ended: it has as well if the server does not know it any more. */
  #confirmed(call: Call): Promise<boolean> {
    const answer = this.#options.transport.call(call);
    return answer.then(({ ok, status }) => ok || status === 401).catch(() => false);
  }

  async #replace(used: Credential): Promise<void> {
    await this.readStorage();
    if (this.credential !== used) return;
    if (this.#options.cookies) return this.readCookieSession();
    const { transport } = this.#options;
    // Before each repetition: another tab may have used the successor of this token meanwhile.
    const repeatable = async () => {
      await this.readStorage();
      return this.credential === used;
    };
    const call = { method: "POST", path: "/auth/jwt/refresh/", body: { refresh: used.refresh }, repeatable };
    const response = await transport.call(call).catch(async () => {
      // The answer may have been lost after the server rotated the token. It then returns the same successor.
      return (await repeatable()) ? transport.call(call) : null;
    });
    if (!response) return;
    const pair = response.ok ? await tokensOf(response) : null;
    await this.readStorage();
    // Another tab was faster, or the user logged out or in. Nothing is awaited between this and the change.
    if (this.credential !== used) return;
    if (response.status === 401) return this.clear("session-ended");
    if (!pair) throw await transport.errorOf(response);
    const { user } = this.#options.state.current;
    await this.keep(credentialOf(pair.access, pair.refresh ?? used.refresh, user), user);
  }

  #set(credential: Credential, user: User | null): void {
    this.#changes++;
    this.isFromServer = false;
    this.credential = credential;
    this.#options.state.update({ status: "signed-in", user });
  }

  #forget(reason: SignOutReason): void {
    if (!this.credential) return;
    this.#changes++;
    this.credential = null;
    this.#options.state.update({ status: "signed-out", user: null });
    callSafely(() => this.#options.onSignedOut?.(reason));
  }

  async #writeAgain(): Promise<void> {
    await this.readStorage(); // another tab may have stored newer tokens, which must stay
    if (this.#unwritten !== undefined) await this.#write(this.#unwritten);
  }

  async #write(stored: StoredSession): Promise<void> {
    const { storage, key } = this.#options;
    const text = JSON.stringify(stored);
    const before = this.#known;
    this.#known = text;
    while (this.#writing) await this.#writing;
    const written = await (this.#writing = this.#access(async () => {
      await storage.set(key, text);
      return true;
    }));
    this.#writing = undefined;
    if (this.#known !== text) return; // replaced meanwhile
    this.#unwritten = written ? undefined : stored;
    if (!written) this.#known = before;
  }

  /** Use the storage. Undefined if it fails: the session then lives in memory until it can be written. */
  async #access<T>(use: () => T | Promise<T>): Promise<T | undefined> {
    try {
      return await withDeadline(this.#options.transport.clock, STORAGE_SECONDS, use);
    } catch (error) {
      callSafely(() => this.#options.onStorageError?.(error));
      return undefined;
    }
  }
}
