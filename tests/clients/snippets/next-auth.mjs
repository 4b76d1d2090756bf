// The options of pages/api/auth/[...nextauth].js: export default NextAuth(authOptions(gateway)).
import CredentialsProviderModule from "next-auth/providers/credentials";

const CredentialsProvider = CredentialsProviderModule.default ?? CredentialsProviderModule;

const post = (url, body) =>
  fetch(url, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
const expiry = (access) => JSON.parse(Buffer.from(access.split(".")[1], "base64url")).exp * 1000;

async function refreshed(gateway, token) {
  const response = await post(`${gateway}/auth/jwt/refresh/`, { refresh: token.refresh }).catch(() => null);
  if (response?.ok) {
    const { access, refresh } = await response.json();
    return { ...token, access, refresh, error: undefined };
  }
  if (response?.status === 401) return { ...token, access: undefined, refresh: undefined, error: "SessionEnded" };
  return { ...token, error: "RefreshUnavailable" }; // a lost response, 429 or 503: the next request tries again
}

export const authOptions = (gateway) => ({
  session: { strategy: "jwt" },
  providers: [
    CredentialsProvider({
      credentials: { email: { type: "email" }, password: { type: "password" } },
      async authorize({ email, password }) {
        const response = await post(`${gateway}/auth/jwt/create/`, { email, password });
        if (!response.ok) return null;
        const { access, refresh } = await response.json();
        const me = await fetch(`${gateway}/auth/users/me/`, { headers: { Authorization: `Bearer ${access}` } });
        return { ...(await me.json()), access, refresh };
      },
    }),
  ],
  callbacks: {
    async jwt({ token, user }) {
      if (user) return { ...token, access: user.access, refresh: user.refresh };
      if (!token.access || Date.now() < expiry(token.access)) return token;
      return refreshed(gateway, token);
    },
    // The refresh token stays in the encrypted cookie: the page never gets it.
    session: ({ session, token }) => ({ ...session, access: token.access, error: token.error }),
  },
  events: {
    signOut: ({ token }) => post(`${gateway}/auth/jwt/blacklist/`, { refresh: token.refresh }),
  },
});
