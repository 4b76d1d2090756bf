/** Requests about the user and the user's sessions, with the names of the API's fields. */

import type { DeviceSession, MailToken, SetEmail, SetPassword, User, UserUpdate } from "./api-types.js";

/** Send a request with a JSON body, and return the JSON of the response; undefined if it has none. */
export type Json = <T = void>(path: string, options?: JsonInit) => Promise<T>;

/** The options of `fetch`, and a value that is sent as JSON. With `json`, the method is POST unless it is given. */
export interface JsonInit extends Omit<RequestInit, "body"> {
  readonly json?: unknown;
}

/** Return the requests about the user. `keep` gets the user when it was read or changed, `forget` when it is gone. */
export function usersApi(json: Json, keep: (user: User) => Promise<void>, forget: () => Promise<void>) {
  const users = (path: string) => `/auth/users/${path}/`;
  // A redirect would send passwords and tokens of mails to another server.
  const redirect = "error";
  const post = (path: string, body: object) => json(users(path), { json: body, redirect });
  const kept = async (user: User) => {
    await keep(user);
    return user;
  };
  const me = async () => kept(await json<User>(users("me")));
  return {
    /** Read the user from the server. */
    me,
    /** Change the names. */
    update: async (change: UserUpdate) => kept(await json<User>(users("me"), { method: "PATCH", json: change })),
    /** Change the password. Every other session ends. */
    setPassword: (body: SetPassword) => post("set_password", body),
    /** Change the address. Every other session ends. Then reads the user again. */
    setEmail: async (body: SetEmail) => {
      await post("set_email", body);
      return me();
    },
    /** Delete the account, and sign out. */
    delete: async (body: { current_password: string }) => {
      await json(users("me"), { method: "DELETE", json: body, redirect });
      await forget();
    },
    /** Have a mail sent to the user, who forgot the password. */
    resetPassword: (email: string) => post("reset_password", { email }),
    /** Set a password with the link of that mail. Every session ends. */
    resetPasswordConfirm: (body: MailToken & { new_password: string }) => post("reset_password_confirm", body),
    /** Activate an account with the link of the activation mail. */
    activate: (body: MailToken) => post("activation", body),
    /** Have another activation mail sent. */
    resendActivation: (email: string) => post("resend_activation", { email }),
    /** Have a mail sent with which the user changes the address. */
    resetEmail: (email: string) => post("reset_email", { email }),
    /** Set another address with the link of that mail. Every session ends. */
    resetEmailConfirm: (body: MailToken & { new_email: string }) => post("reset_email_confirm", body),
  };
}

/** Return the requests about the sessions of the user's devices. */
export function sessionsApi(json: Json, forget: () => Promise<void>) {
  return {
    /** List the live sessions. */
    list: () => json<DeviceSession[]>("/auth/sessions/"),
    /** End one session. */
    end: (id: string) => json(`/auth/sessions/${encodeURIComponent(id)}/`, { method: "DELETE" }),
    /** End all sessions but this one. */
    endOthers: () => json("/auth/sessions/logout-others/", { method: "POST" }),
    /** End all sessions, and sign out. */
    endAll: async () => {
      await json("/auth/sessions/logout-all/", { method: "POST" });
      await forget();
    },
  };
}
