import { configureStore } from "@reduxjs/toolkit";
import { createApi as createRtkApi, fetchBaseQuery } from "@reduxjs/toolkit/query";
import { Mutex } from "async-mutex";
import { tokens } from "./tokens.mjs";

export function createApi(gateway) {
  const mutex = new Mutex();
  const authQuery = fetchBaseQuery({ baseUrl: gateway });
  const apiQuery = fetchBaseQuery({
    baseUrl: gateway,
    prepareHeaders: (headers) => {
      const { access } = tokens.read();
      if (access) headers.set("Authorization", `Bearer ${access}`);
      return headers;
    },
  });

  async function queryWithReauth(args, store, options) {
    await mutex.waitForUnlock();
    let result = await apiQuery(args, store, options);
    if (result.error?.status !== 401 || !tokens.read().refresh) return result;
    if (mutex.isLocked()) {
      await mutex.waitForUnlock();
      return apiQuery(args, store, options);
    }
    return mutex.runExclusive(async () => {
      const body = { refresh: tokens.read().refresh };
      const refreshed = await authQuery({ url: "/auth/jwt/refresh/", method: "POST", body }, store, options);
      if (refreshed.data) tokens.write(refreshed.data);
      else if (refreshed.error.status === 401) tokens.clear();
      else return refreshed; // a network error, 429 or 503: the session goes on
      return apiQuery(args, store, options);
    });
  }

  const api = createRtkApi({
    baseQuery: queryWithReauth,
    endpoints: (build) => ({
      get: build.query({ query: (path) => path }),
      send: build.mutation({ query: (request) => request }),
    }),
  });
  const store = configureStore({
    reducer: { [api.reducerPath]: api.reducer },
    middleware: (defaults) => defaults().concat(api.middleware),
  });

  const post = async (url, body) => {
    const { data, error } = await authQuery({ url, method: "POST", body }, {}, {});
    if (error) throw error;
    return data;
  };
  return {
    api,
    store,
    register: (user) => post("/auth/users/", user),
    logIn: async (credentials) => tokens.write(await post("/auth/jwt/create/", credentials)),
    logOut: async () => {
      const { refresh } = tokens.read();
      tokens.clear();
      store.dispatch(api.util.resetApiState());
      await post("/auth/jwt/blacklist/", { refresh });
    },
  };
}
