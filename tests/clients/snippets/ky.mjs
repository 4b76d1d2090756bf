import ky, { HTTPError } from "ky";
import { tokens } from "./tokens.mjs";

export function createApi(gateway) {
  // ky repeats neither a POST nor a 401 by itself; a refresh may be repeated, after Retry-After too.
  const auth = ky.create({
    prefixUrl: `${gateway}/auth`,
    retry: { methods: ["post"], statusCodes: [429, 503], afterStatusCodes: [429, 503] },
  });

  let refreshing;
  async function refresh() {
    try {
      tokens.write(await auth.post("jwt/refresh/", { json: { refresh: tokens.read().refresh } }).json());
    } catch (error) {
      if (error instanceof HTTPError && error.response.status === 401) tokens.clear();
      throw error;
    }
  }

  const api = ky.create({
    prefixUrl: gateway,
    hooks: {
      beforeRequest: [
        (request) => {
          const { access } = tokens.read();
          if (access) request.headers.set("Authorization", `Bearer ${access}`);
        },
      ],
      afterResponse: [
        async (request, _options, response, { retryCount }) => {
          const { access, refresh: stored } = tokens.read();
          if (response.status !== 401 || retryCount > 0 || !stored) return response;
          // Another request or tab may have refreshed in the meantime.
          if (request.headers.get("Authorization") === `Bearer ${access}`) {
            refreshing ??= refresh().finally(() => (refreshing = undefined));
            await refreshing;
          }
          const headers = new Headers(request.headers);
          headers.set("Authorization", `Bearer ${tokens.read().access}`);
          return ky.retry({ request: new Request(request, { headers }), delay: 0 });
        },
      ],
    },
  });

  return {
    api,
    register: (user) => auth.post("users/", { json: user }),
    logIn: async (credentials) => tokens.write(await auth.post("jwt/create/", { json: credentials }).json()),
    logOut: async () => {
      const { refresh } = tokens.read();
      tokens.clear();
      await auth.post("jwt/blacklist/", { json: { refresh } });
    },
  };
}
