import { createApi } from "../snippets/ofetch.mjs";
import { hasTokens, verbs } from "./outcome.mjs";

export function createClient(gateway) {
  const { api, ...account } = createApi(gateway);
  const send = async (method, path, body) => {
    const response = await api.raw(path, { method, body });
    return { status: response.status, body: response._data };
  };
  return verbs({ ...account, send, status: (error) => error.status, isSignedIn: hasTokens() });
}
