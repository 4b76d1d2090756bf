import { createApi } from "../snippets/rtk-query.mjs";
import { hasTokens, verbs } from "./outcome.mjs";

export function createClient(gateway) {
  const { api, store, ...account } = createApi(gateway);
  const send = async (method, url, body) => {
    const request =
      method === "GET"
        ? api.endpoints.get.initiate(url, { forceRefetch: true, subscribe: false })
        : api.endpoints.send.initiate({ method, url, body });
    const { data, error, ...rest } = await store.dispatch(request);
    if (rest.isError || error) throw error;
    return { status: 200, body: data };
  };
  const status = (error) => (typeof error.status === "number" ? error.status : undefined);
  return verbs({ ...account, send, status, isSignedIn: hasTokens() });
}
