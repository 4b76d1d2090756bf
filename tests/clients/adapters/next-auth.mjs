// next-auth behind a small server that gives its handler what `pages/api` of Next.js gives, and a browser in front.
import { createServer } from "node:http";
import nextAuth from "next-auth";
import { authOptions } from "../snippets/next-auth.mjs";
import { CookieJar, siteOfAllTabs } from "./cookie_jar.mjs";

const NextAuth = nextAuth.default ?? nextAuth;

// The request and response of a page of Next.js under /api/auth/: query, cookies and a parsed body; json and send.
async function callHandler(options, request, response) {
  const url = new URL(request.url, "http://localhost");
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const nextauth = url.pathname.replace("/api/auth/", "").split("/");
  request.query = { ...Object.fromEntries(url.searchParams), nextauth };
  request.cookies = Object.fromEntries(
    (request.headers.cookie ?? "").split("; ").filter(Boolean).map((pair) => [pair.slice(0, pair.indexOf("=")), decodeURIComponent(pair.slice(pair.indexOf("=") + 1))]),
  );
  request.body = Object.fromEntries(new URLSearchParams(Buffer.concat(chunks).toString()));
  response.status = (code) => Object.assign(response, { statusCode: code });
  response.json = (value) => response.setHeader("Content-Type", "application/json").end(JSON.stringify(value));
  response.send = (value) => (typeof value === "object" ? response.json(value) : response.end(value));
  await NextAuth(request, response, options);
}

async function start(gateway) {
  const options = { ...authOptions(gateway), secret: "a secret of this test alone, never deployed" };
  const server = createServer((request, response) => void callHandler(options, request, response));
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return (process.env.NEXTAUTH_URL = `http://127.0.0.1:${server.address().port}`);
}

export async function createClient(gateway) {
  const site = await siteOfAllTabs(() => start(gateway));
  const browser = new CookieJar();

  const json = async (path) => JSON.parse((await browser.fetch(`${site}/api/auth/${path}`)).text || "{}");
  const post = async (path, fields) => {
    const { csrfToken } = await json("csrf");
    const body = new URLSearchParams({ ...fields, csrfToken, json: "true" });
    return browser.fetch(`${site}/api/auth/${path}`, { method: "POST", body });
  };

  return {
    async register(user) {
      const headers = { "Content-Type": "application/json" };
      const { status } = await fetch(`${gateway}/auth/users/`, { method: "POST", headers, body: JSON.stringify(user) });
      return { status };
    },
    logIn: async (credentials) => ({ status: (await post("callback/credentials", credentials)).status }),
    logOut: async () => ({ status: (await post("signout", {})).status }),
    // The page asks for the session, whose access token it sends: so it is done with getSession() and useSession().
    async request({ method = "GET", path, body }) {
      const { access, error } = await json("session");
      if (!access) return { status: 401, error };
      const headers = { Authorization: `Bearer ${access}`, "Content-Type": "application/json" };
      const response = await fetch(gateway + path, { method, headers, body: body && JSON.stringify(body) });
      return { status: response.status, body: await response.json(), error };
    },
    abandonPage: () => browser.abandon(`${site}/api/auth/session`),
    state: async () => ({ signedIn: Boolean((await json("session")).access) }),
  };
}
