import axios from "axios";
import { createAuthRefresh } from "axios-auth-refresh";
import { tokens } from "./tokens.mjs";

export function createApi(gateway) {
  // Log-in and refresh use an instance of their own: a 401 of these means "wrong password" or "log in again".
  const auth = axios.create({ baseURL: `${gateway}/auth` });
  const api = axios.create({ baseURL: gateway });

  api.interceptors.request.use((request) => {
    const { access } = tokens.read();
    if (access) request.headers.Authorization = `Bearer ${access}`;
    return request;
  });

  async function refresh(failedRequest) {
    const before = tokens.read();
    if (!before.refresh) throw failedRequest;
    try {
      const { data } = await auth.post("/jwt/refresh/", { refresh: before.refresh });
      tokens.write(data);
    } catch (error) {
      if (error.response?.status === 401) tokens.clear();
      throw error;
    }
  }
  // With the default, deduplicateRefresh: true, other requests that fail during the refresh are not repeated.
  createAuthRefresh(api, refresh, { deduplicateRefresh: false });

  return {
    api,
    register: (user) => auth.post("/users/", user),
    logIn: async (credentials) => tokens.write((await auth.post("/jwt/create/", credentials)).data),
    logOut: async () => {
      const { refresh } = tokens.read();
      tokens.clear();
      await auth.post("/jwt/blacklist/", { refresh });
    },
  };
}
