/** Watches the connection: the window's events, and checks while offline. `navigator.onLine` decides nothing. */

import type { Clock } from "./clock.js";
import type { SessionStateHolder } from "./session-state.js";

const FIRST_DELAY = 1000;
const LONGEST_DELAY = 30_000;

/**
 * Call `check` while the state is offline and somebody observes it, and when the page is shown again.
 *
 * Browsers report "online" without a connection and "offline" with one, so an event only hints: "offline" is shown
 * until the next response, "online" starts a check. Returns a function that ends this.
 */
export function watchConnection(state: SessionStateHolder, clock: Clock, check: () => Promise<void>): () => void {
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

  const target = typeof window === "undefined" ? undefined : window;
  const onOffline = () => state.update({ offline: true });
  const onOnline = () => void check();
  // A page that comes back from the back/forward cache, or from the background, may have missed everything.
  const onShow = () => void (document.visibilityState === "visible" && check());
  target?.addEventListener("offline", onOffline);
  target?.addEventListener("online", onOnline);
  target?.addEventListener("pageshow", onPageShow);
  target?.document?.addEventListener("visibilitychange", onShow);

  function onPageShow(event: PageTransitionEvent): void {
    if (event.persisted) void check();
  }

  return () => {
    state.watcher = undefined;
    cancel?.();
    target?.removeEventListener("offline", onOffline);
    target?.removeEventListener("online", onOnline);
    target?.removeEventListener("pageshow", onPageShow);
    target?.document?.removeEventListener("visibilitychange", onShow);
  };
}
