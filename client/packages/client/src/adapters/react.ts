/** React: the session as a hook. */

import { useSyncExternalStore } from "react";

import type { Client, SessionState } from "../index.js";

const LOADING: SessionState = Object.freeze({ status: "loading", offline: false, user: null });

/** Return the session of `client`, and render again when it changes. On a server its status is "loading". */
export function useSession(client: Client): SessionState {
  const { session } = client;
  return useSyncExternalStore(
    session.subscribe,
    () => session.current,
    () => LOADING,
  );
}
