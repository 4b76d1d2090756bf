/** A credential: what authenticates requests, as a value, and what its stored text says. */

import type { User } from "../api-types.js";
import { jsonObject } from "../errors.js";

/** The tokens of a session; in cookie mode, where the browser holds the cookie, both are "". */
export interface Credential {
  readonly access: string;
  readonly refresh: string;
  /** The session at the server, from the access token; "" if the token is opaque. */
  readonly sessionId: string;
  /** Whose credential it is: the user's id; "" if unknown. */
  readonly subject: string;
  /** Orders the credentials of one session: a greater one was issued later. */
  readonly generation: number;
  /** Milliseconds since 1970, by the server's clock; Infinity if unknown. */
  readonly expiresAt: number;
}

/** What the storage holds: a session; null after a log-out; false while the server has not confirmed the log-out. */
export type StoredSession = { readonly access: string; readonly refresh: string; readonly user: User | null } | null | false;

/** Return the credential with these tokens, or the credential of cookie mode if there are none. */
export function credentialOf(access: string, refresh: string, user: User | null): Credential {
  const claims = claimsOf(access);
  const expiresAt = Number(claims["exp"]) * 1000 || Infinity;
  return {
    access,
    refresh,
    sessionId: String(claims["sid"] ?? ""),
    subject: String(claims["sub"] ?? claims["user_id"] ?? user?.id ?? ""),
    // Tokens of other servers have no generation.
    generation: Number(claims["generation"] ?? claims["iat"] ?? 0),
    expiresAt,
  };
}

/** Return whether `one` replaces `other`: it is of another session, or was issued later in the same. */
export function replaces(one: Credential, other: Credential | null): boolean {
  return (
    !other ||
    one.sessionId !== other.sessionId ||
    one.subject !== other.subject ||
    one.generation > other.generation ||
    (one.generation === other.generation && one.expiresAt > other.expiresAt)
  );
}

/** Return whether both belong to one user, as far as is known. */
export function isOfSameUser(one: Credential, other: Credential): boolean {
  return !one.subject || !other.subject || one.subject === other.subject;
}

/** Read a stored text. Undefined if there is none, if it is damaged, or if it is of the other mode. */
export function parseStored(text: string | null, cookies: boolean): StoredSession | undefined {
  try {
    const value: unknown = JSON.parse(text ?? "");
    if (value === null || value === false) return value;
    const { access, refresh, user } = Object(value) as Record<string, unknown>;
    const isWhole = typeof access === "string" && typeof refresh === "string" && typeof user === "object";
    if (isWhole && !access === cookies) return value as StoredSession;
  } catch {
    // Another version or another program wrote it: as if nothing was stored.
  }
  return undefined;
}

function claimsOf(token: string): Record<string, unknown> {
  try {
    return jsonObject(atob(token.split(".")[1]!.replace(/-/g, "+").replace(/_/g, "/")));
  } catch {
    return {}; // an opaque token
  }
}
