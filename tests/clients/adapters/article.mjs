import { Client } from "../article/behaviour.mjs";
import { verbs } from "./outcome.mjs";

export function createClient(gateway) {
  const page = new Client(gateway, localStorage);
  return {
    ...verbs({
      register: (user) => page.createAccount({ first_name: "", last_name: "", ...user }),
      logIn: async (credentials) => {
        if (!(await page.logInPage(credentials))) throw Object.assign(new Error(page.alert), { status: 401 });
      },
      logOut: () => page.logoutUser(),
      send: async (method, path, body) => ({ status: 200, body: await page.http(method, path, body) }),
      status: (error) => error.status,
      isSignedIn: () => page.isAuthenticated.value === true,
    }),
    guards: async () => ({ auth: await page.authGuard(), autoLogin: await page.autoLoginGuard(), route: page.route }),
    screen: () => ({ route: page.route, alert: page.alert ?? null, stored: Object.keys(stored()) }),
  };
}

const stored = () => ["TemplateGenerated-access", "TemplateGenerated-refresh", "TemplateGenerated_currentUser"]
  .filter((key) => localStorage.getItem(key) !== null)
  .reduce((found, key) => ({ ...found, [key]: true }), {});
