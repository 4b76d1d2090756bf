/** The state of the session, which pages show: a frozen value, replaced when it changes. */

import type { User } from "../api-types.js";

/** Who is signed in, and whether the gateway could be reached. */
export interface SessionState {
  /** "loading" until the storage was read, and in cookie mode until the gateway has answered who is signed in. */
  readonly status: "loading" | "signed-in" | "signed-out";
  /** Whether the last request got no answer. The user stays signed in. */
  readonly offline: boolean;
  /** The user, also offline and after a restart; null if signed out, or not known yet. */
  readonly user: User | null;
}

/** The current state, and a subscription to its changes. */
export interface SessionSource {
  /** The same object until something changes. */
  readonly current: SessionState;
  /** Call `listener` after each change. Return a function that ends this. */
  subscribe(listener: (state: SessionState) => void): () => void;
}

/** A state that the client replaces. */
export class SessionStateHolder implements SessionSource {
  current: SessionState = Object.freeze({ status: "loading", offline: false, user: null });
  readonly #listeners = new Set<(state: SessionState) => void>();
  /** The client's own part, which learns of changes and of new listeners. */
  watcher: (() => void) | undefined;

  readonly subscribe = (listener: (state: SessionState) => void): (() => void) => {
    const entry = (state: SessionState) => listener(state); // the same function may subscribe twice
    this.#listeners.add(entry);
    this.watcher?.();
    return () => void this.#listeners.delete(entry);
  };

  /** Whether there is a listener. */
  get observed(): boolean {
    return this.#listeners.size > 0;
  }

  /** Replace the given members, and call every listener if one differs. */
  update(change: Partial<SessionState>): void {
    const old = this.current;
    const next: { -readonly [K in keyof SessionState]: SessionState[K] } = { ...old, ...change };
    if (JSON.stringify(next.user) === JSON.stringify(old.user)) next.user = old.user;
    if (next.status === old.status && next.offline === old.offline && next.user === old.user) return;
    this.current = Object.freeze(next);
    this.watcher?.();
    for (const listener of [...this.#listeners]) callSafely(() => listener(this.current));
  }
}

/** Call a function of the application. Its error is reported like that of an event listener, and stops nothing here. */
export function callSafely(callback: () => void): void {
  try {
    callback();
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}
