import axios from "axios";
import {
  applyAuthTokenInterceptor,
  clearAuthTokens,
  getBrowserLocalStorage,
  getRefreshToken,
  setAuthTokens,
} from "axios-jwt";

export function createApi(gateway) {
  // Log-in and refresh use an instance of their own, as the README of axios-jwt demands.
  const auth = axios.create({ baseURL: `${gateway}/auth` });
  const api = axios.create({ baseURL: gateway });

  applyAuthTokenInterceptor(api, {
    getStorage: getBrowserLocalStorage,
    requestRefresh: async (refresh) => {
      const { data } = await auth.post("/jwt/refresh/", { refresh });
      return { accessToken: data.access, refreshToken: data.refresh }; // both: refresh tokens rotate
    },
  });

  return {
    api,
    register: (user) => auth.post("/users/", user),
    logIn: async (credentials) => {
      const { data } = await auth.post("/jwt/create/", credentials);
      await setAuthTokens({ accessToken: data.access, refreshToken: data.refresh });
    },
    logOut: async () => {
      const refresh = await getRefreshToken();
      await clearAuthTokens();
      await auth.post("/jwt/blacklist/", { refresh });
    },
  };
}
