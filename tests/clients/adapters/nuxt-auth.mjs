// The built Nuxt app of ../nuxt_auth in a process of its own, and a browser without JavaScript in front of it.
import { spawn } from "node:child_process";
import { createServer } from "node:net";
import { fileURLToPath } from "node:url";
import { CookieJar, siteOfAllTabs } from "./cookie_jar.mjs";

const APP = fileURLToPath(new URL("../nuxt_auth/.output/server/index.mjs", import.meta.url));

async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function start(gateway) {
  const port = await freePort();
  const env = { ...process.env, NUXT_PUBLIC_AUTH_BASE_URL: `${gateway}/auth/`, HOST: "127.0.0.1", PORT: String(port) };
  const app = spawn(process.execPath, [APP], { env, stdio: ["ignore", "pipe", "inherit"] });
  process.on("exit", () => app.kill());
  await new Promise((resolve, reject) => {
    app.stdout.on("data", (text) => String(text).includes("Listening") && resolve());
    app.on("exit", () => reject(new Error("the Nuxt app has ended")));
  });
  return `http://127.0.0.1:${port}`;
}

export async function createClient(gateway) {
  const site = await siteOfAllTabs(() => start(gateway));
  const browser = new CookieJar();
  let shown; // what the last page showed: reading it costs no request
  const state = async (path) => {
    const { text } = await browser.fetch(site + path);
    const [, shown] = text.match(/id="state">(.*?)<\/p>/) ?? [];
    return JSON.parse(shown.replaceAll("&quot;", '"'));
  };
  return {
    register: (user) => state(`/register?${new URLSearchParams(user)}`),
    logIn: (credentials) => state(`/login?${new URLSearchParams(credentials)}`),
    logOut: () => state("/logout"),
    // The page shows the user, whom the module fetches from /auth/users/me/.
    async request() {
      const { status, email } = await state("/");
      shown = status;
      return status === "authenticated" ? { status: 200, body: { email } } : { status: 401 };
    },
    abandonPage: () => browser.abandon(`${site}/`),
    state: () => ({ signedIn: shown === "authenticated" }),
    hasCookie: ({ name }) => browser.has(name),
  };
}
