export default defineNuxtConfig({
  modules: ["@sidebase/nuxt-auth"],
  compatibilityDate: "2026-01-01",
  telemetry: false,
  auth: {
    baseURL: "http://127.0.0.1:8000/auth/", // at run time: NUXT_PUBLIC_AUTH_BASE_URL
    originEnvKey: "NUXT_PUBLIC_AUTH_BASE_URL",
    provider: {
      type: "local",
      endpoints: {
        signIn: { path: "jwt/create/", method: "post" },
        signOut: { path: "jwt/blacklist/", method: "post" },
        signUp: { path: "users/", method: "post" },
        getSession: { path: "users/me/", method: "get" },
      },
      token: {
        signInResponseTokenPointer: "/access",
        maxAgeInSeconds: 240, // less than ACCESS_TOKEN_LIFETIME: an expired token in the cookie ends the page's session
      },
      refresh: {
        isEnabled: true,
        endpoint: { path: "jwt/refresh/", method: "post" },
        refreshOnlyToken: false, // refresh tokens rotate
        token: {
          signInResponseRefreshTokenPointer: "/refresh",
          refreshResponseTokenPointer: "/access",
          refreshRequestTokenPointer: "/refresh",
          maxAgeInSeconds: 180 * 24 * 60 * 60, // REFRESH_TOKEN_LIFETIME
        },
      },
      session: { dataType: { id: "string", email: "string" } },
    },
  },
});
