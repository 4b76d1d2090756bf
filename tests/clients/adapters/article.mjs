import { APP, Client } from "../article/behaviour.mjs";
import { verbs } from "./outcome.mjs";

export function createClient(gateway) {
  const page = new Client(gateway, localStorage);
  return {
    ...verbs({
      // The article's text has this path; its published code has /api/user/.
      register: ({ path = "/auth/users/", ...user }) =>
        page.createAccount({ first_name: "Ann", last_name: "Lee", ...user }, path),
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

const stored = () => [`${APP}-access`, `${APP}-refresh`, `${APP}_currentUser`]
  .filter((key) => localStorage.getItem(key) !== null)
  .reduce((found, key) => ({ ...found, [key]: true }), {});
