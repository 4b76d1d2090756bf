import { createApi } from "../snippets/axios-jwt.mjs";
import { verbs } from "./outcome.mjs";

export function createClient(gateway) {
  const { api, ...account } = createApi(gateway);
  const send = async (method, url, data) => {
    const response = await api.request({ method, url, data });
    return { status: response.status, body: response.data };
  };
  const isSignedIn = () => Object.keys(JSON.parse(localStorage.getItem(`auth-tokens-${process.env.NODE_ENV}`) ?? "{}")).length > 0;
  return verbs({ ...account, send, status: (error) => error.response?.status, isSignedIn });
}
