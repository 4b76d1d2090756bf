import { ofetch } from "ofetch";
import { tokens } from "./tokens.mjs";

export function createApi(gateway) {
  const auth = ofetch.create({ baseURL: `${gateway}/auth`, method: "POST" });

  let refreshing;
  async function refresh() {
    try {
      tokens.write(await auth("/jwt/refresh/", { body: { refresh: tokens.read().refresh } }));
    } catch (error) {
      if (error.status === 401) tokens.clear();
      throw error;
    }
  }

  const api = ofetch.create({
    baseURL: gateway,
    retry: 1, // without it, POST, PUT, PATCH and DELETE are not repeated
    retryStatusCodes: [401], // the list replaces the default, so that a 500 is not repeated either
    onRequest({ options }) {
      const { access } = tokens.read();
      if (access) options.headers.set("Authorization", `Bearer ${access}`);
    },
    async onResponseError({ response, options }) {
      if (response.status !== 401) return;
      const { access, refresh: stored } = tokens.read();
      if (!stored || options.retry === 0) {
        options.retry = false;
        return;
      }
      // Another request or tab may have refreshed in the meantime.
      if (options.headers.get("Authorization") !== `Bearer ${access}`) return;
      refreshing ??= refresh().finally(() => (refreshing = undefined));
      await refreshing;
    },
  });

  return {
    api,
    register: (user) => auth("/users/", { body: user }),
    logIn: async (credentials) => tokens.write(await auth("/jwt/create/", { body: credentials })),
    logOut: async () => {
      const { refresh } = tokens.read();
      tokens.clear();
      await auth("/jwt/blacklist/", { body: { refresh } });
    },
  };
}
