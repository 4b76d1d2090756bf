import { createApi } from "../snippets/axios-auth-refresh.mjs";
import { hasTokens, verbs } from "./outcome.mjs";

export function createClient(gateway) {
  const { api, ...account } = createApi(gateway);
  const send = async (method, url, data) => {
    const response = await api.request({ method, url, data });
    return { status: response.status, body: response.data };
  };
  return verbs({ ...account, send, status: (error) => error.response?.status, isSignedIn: hasTokens() });
}
