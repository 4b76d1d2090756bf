/** The bodies of requests and responses of the gateway's API. Names of members are those of the wire. */

/** A user, as `GET /auth/users/me/` and `GET /session/` return it. */
export interface User {
  readonly id: string;
  readonly email: string;
  readonly first_name: string;
  readonly last_name: string;
}

/** The body of a log-in. */
export interface LogIn {
  readonly email: string;
  readonly password: string;
}

/** The body of a registration. */
export interface Register extends LogIn {
  readonly first_name?: string;
  readonly last_name?: string;
}

/** The body of a change of the user's names. */
export interface UserUpdate {
  readonly first_name?: string;
  readonly last_name?: string;
}

/** The body of a password change. */
export interface SetPassword {
  readonly current_password: string;
  readonly new_password: string;
}

/** The body of a change of the e-mail address. */
export interface SetEmail {
  readonly current_password: string;
  readonly new_email: string;
}

/** The two last segments of the link in a mail. */
export interface MailToken {
  readonly uid: string;
  readonly token: string;
}

/** One live session of the user, as in `GET /auth/sessions/`. Times are ISO 8601. */
export interface DeviceSession {
  readonly id: string;
  readonly device: string;
  readonly address: string;
  readonly created_at: string;
  readonly last_used_at: string;
  readonly expires_at: string;
  readonly current: boolean;
}

/** The response of `POST /auth/jwt/create/` and `POST /auth/jwt/refresh/`. */
export interface TokenPair {
  readonly access: string;
  /** Absent in a response to a refresh if the server does not rotate refresh tokens. */
  readonly refresh?: string;
}

/** The response of `POST /session/` and `GET /session/`. `expires_at` is in seconds since 1970. */
export interface BrowserSession {
  readonly user: User;
  readonly expires_at: number;
}

/** The response of `POST /session/ticket`. */
export interface Ticket {
  readonly ticket: string;
  readonly expires_in: number;
}
