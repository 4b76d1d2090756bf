import { createApi } from "../snippets/ky.mjs";
import { hasTokens, verbs } from "./outcome.mjs";

export function createClient(gateway) {
  const { api, ...account } = createApi(gateway);
  const send = async (method, path, json) => {
    const response = await api(path.slice(1), { method, json });
    return { status: response.status, body: await response.json() };
  };
  return verbs({ ...account, send, status: (error) => error.response?.status, isSignedIn: hasTokens() });
}
