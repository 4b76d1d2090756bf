/** Watches the connection: the window's events, and checks while offline. `navigator.onLine` decides nothing. */

import type { Clock } from "./clock.js";
import type { SessionStateHolder } from "./session/state.js";

const FIRST_DELAY = 1000;
const LONGEST_DELAY = 30_000;

/**
 * Call `check` while the state is offline and somebody observes it, and `wake` when the page is shown again.
 *
 * Browsers report "online" without a connection and "offline" with one, so an event only hints: "offline" is shown
 * until the next response, "online" starts a check. Returns a function that ends this.
 */
export function watchConnection(
  state: SessionStateHolder,
  clock: Clock,
  check: () => Promise<void>,
  wake: () => Promise<void>,
): () => void {
  let delay = FIRST_DELAY;
  let cancel: (() => void) | undefined;

  const schedule = () => {
    if (!state.current.offline) {
      cancel?.();
      cancel = undefined;
      delay = FIRST_DELAY;
    } else if (!cancel && state.observed) {
      cancel = clock.after(delay, () => {
        delay = Math.min(delay * 2, LONGEST_DELAY);
        void check().then(() => {
          cancel = undefined;
          schedule();
        });
      });
    }
  };
  state.watcher = schedule;

  // Not by a signal: test environments with a window of their own reject the platform's AbortSignal.
  const stops: (() => void)[] = [];
  const on = (target: EventTarget | undefined, type: string, listener: (event: Event) => unknown) => {
    target?.addEventListener(type, listener);
    stops.push(() => target?.removeEventListener(type, listener));
  };
  on(globalThis.window, "offline", () => state.update({ offline: true }));
  on(globalThis.window, "online", check);
  // Only from the back/forward cache: while a page loads, the client reads its session anyway.
  on(globalThis.window, "pageshow", (event) => (event as PageTransitionEvent).persisted && wake());
  on(globalThis.document, "visibilitychange", () => document.visibilityState === "visible" && wake());

  return () => {
    state.watcher = undefined;
    cancel?.();
    for (const stop of stops) stop();
  };
}
