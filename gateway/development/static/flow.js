// The steps of the three client modes. A step sends one request, and names the status that it expects.

export const FAULT = "X-Sallyport-Fault";
const GRACE_MS = 12_000; // longer than REFRESH_GRACE, which is 10 seconds by default
const REVOCATION_MS = 1_000; // until every worker knows that a session has ended

export const MODES = {
  bearer: {
    hint: "The client holds both tokens, and refreshes after a 401. For apps, SDKs and clients of djoser.",
    headers: (client) => (client.access ? { Authorization: `Bearer ${client.access}` } : {}),
  },
  "bearer-refresh": {
    hint: "The client holds both tokens and sends both. The gateway refreshes, and the response has the new tokens. For scripts and devices.",
    headers: (client) =>
      client.access ? { Authorization: `Bearer ${client.access}`, "X-Refresh-Token": client.refresh } : {},
  },
  cookie: {
    hint: "The gateway holds the tokens. The browser has a cookie that no script can read. For pages on the gateway's site.",
    headers: () => ({ "X-Requested-With": "console" }),
  },
};

const ME = "/auth/users/me/";
const tokens = ({ body }, client) => client.hold(body.access, body.refresh);

const register = {
  name: "Register",
  text: "Create an account.",
  expects: 201,
  request: (client) => ["POST", "/auth/users/", {}, client.credentials()],
  hint: { 400: "The address may have an account: open the response below, or start again." },
};
const logInHint = { 401: "Is the account registered? If it has to be activated, open its link under Mails." };
const logIn = {
  name: "Log in",
  text: "The response has an access token for minutes and a refresh token for months.",
  expects: 200,
  request: (client) => ["POST", "/auth/jwt/create/", {}, client.credentials()],
  hint: logInHint,
  then: tokens,
};
const me = {
  name: "Who am I",
  text: "The auth service reads the access token itself.",
  expects: 200,
  request: (client) => ["GET", ME, client.headers()],
};
const api = {
  name: "Call a service",
  text: "The service receives a signed identity, and no token.",
  expects: 200,
  request: (client) => ["GET", client.apiPath(), client.headers()],
};
const expire = (expects, text) => ({
  name: "Expire the token",
  text,
  expects,
  request: (client) => ["GET", client.apiPath(), { ...client.headers(), [FAULT]: "expired-token" }],
});
const refresh = {
  name: "Refresh",
  text: "Both tokens are new. The client stores both.",
  expects: 200,
  request: (client) => ["POST", "/auth/jwt/refresh/", {}, { refresh: client.refresh }],
  then: (response, client) => {
    client.spent = client.refresh;
    client.spentAt = Date.now();
    tokens(response, client);
  },
};
const useNew = { ...me, name: "Use the new token", text: "This proves that the response to the refresh arrived." };
const repeat = {
  name: "Refresh again",
  text: "The old refresh token returns the same successor for ten seconds: a lost response or two tabs log nobody out.",
  expects: 200,
  request: (client) => ["POST", "/auth/jwt/refresh/", {}, { refresh: client.spent }],
  then: tokens,
};
const replay = {
  name: "Replay the old token",
  text: "After that time, the old refresh token is a replay, as of a thief. It is refused, and the session ends.",
  expects: 401,
  waitUntil: (client) => client.spentAt + GRACE_MS,
  request: (client) => ["POST", "/auth/jwt/refresh/", {}, { refresh: client.spent }],
};
const whenRevoked = (client) => client.doneAt + REVOCATION_MS;
const ended = {
  ...api,
  name: "Call again",
  text: "The session has ended, for its access token too, at all gateways within a second.",
  expects: 401,
  waitUntil: whenRevoked,
};
const logOut = {
  name: "Log out",
  text: "The session ends at the server, and the client forgets its tokens.",
  expects: 204,
  request: (client) => ["POST", "/auth/logout/", client.headers()],
  then: (response, client) => {
    client.previous = client.access;
    client.hold("", "");
  },
};
const afterLogOut = {
  name: "Use the old token",
  text: "The access token is refused before it expires, at all gateways within a second.",
  expects: 401,
  waitUntil: whenRevoked,
  request: (client) => ["GET", client.apiPath(), { Authorization: `Bearer ${client.previous}` }],
};

const openSession = {
  name: "Log in",
  text: "The response sets an HttpOnly cookie, and has no token.",
  expects: 200,
  request: (client) => ["POST", "/session/", client.headers(), client.credentials()],
  hint: logInHint,
  then: ({ body }, client) => client.open(body.expires_at),
};
const showSession = {
  name: "Read the session",
  text: "Who is logged in, and until when.",
  expects: 200,
  request: (client) => ["GET", "/session/", client.headers()],
  hint: { 401: "This browser did not keep the cookie over http: start with SESSION_COOKIE_SECURE=off." },
};
const closeSession = {
  name: "Log out",
  text: "The session ends, and the cookie is cleared.",
  expects: 204,
  request: (client) => ["DELETE", "/session/", client.headers()],
  then: (response, client) => client.open(0),
};
const noSession = { ...showSession, name: "Read it again", text: "There is no session.", expects: 401, hint: {} };

/** The steps by mode, in their order. */
export const FLOWS = {
  bearer: [
    register,
    logIn,
    me,
    api,
    expire(401, "The access token counts as expired: the client has to refresh."),
    refresh,
    useNew,
    repeat,
    replay,
    ended,
    { ...logIn, name: "Log in again", text: "A new session." },
    logOut,
    afterLogOut,
  ],
  "bearer-refresh": [
    register,
    logIn,
    me,
    api,
    expire(200, "The access token counts as expired: the gateway refreshes, and the request goes on."),
    useNew,
    logOut,
    afterLogOut,
  ],
  cookie: [
    register,
    openSession,
    showSession,
    me,
    api,
    expire(200, "The gateway's access token counts as expired: it fetches another one, and the page notices nothing."),
    closeSession,
    noSession,
  ],
};
