/** axios: an adapter whose requests go by the rules of `client.fetch`. */

import type { AxiosAdapter, AxiosError, AxiosInstance, AxiosResponse, InternalAxiosRequestConfig } from "axios";
import axios from "axios";

import { type Answer, type Authorization, type Client, NetworkError } from "../index.js";

type AxiosAnswer = AxiosResponse & Answer;

/** Make the requests of `instance` go through `client`. Returns `instance`. */
export function withSallyport(instance: AxiosInstance, client: Client): AxiosInstance {
  const send = axios.getAdapter(instance.defaults.adapter);
  // An adapter gets the finished request: interceptors and transformations do not run a second time.
  instance.defaults.adapter = (config) => exchange(client, send, config);
  return instance;
}

async function exchange(client: Client, send: AxiosAdapter, config: InternalAxiosRequestConfig): Promise<AxiosResponse> {
  const failures = new WeakMap<AxiosResponse, AxiosError>();
  const exchanged = {
    url: new URL(axios.getUri(config), globalThis.document?.baseURI ?? "http://localhost"),
    method: (config.method ?? "get").toUpperCase(),
    signal: config.signal as AbortSignal | undefined,
    replayable: !isStream(config.data),
    hasOwnCredential: config.headers.has("Authorization"),
  };
  const attempt = async ({ headers, credentials }: Authorization): Promise<AxiosAnswer> => {
    const authorized = { ...config, headers: config.headers.concat(headers) };
    if (credentials) authorized.withCredentials = credentials === "include";
    try {
      return (await send(authorized)) as AxiosAnswer;
    } catch (error) {
      const { response } = error as AxiosError;
      if (!response) throw error;
      failures.set(response, error as AxiosError);
      return response as AxiosAnswer;
    }
  };
  const response = await client.exchange(exchanged, attempt).catch((error: unknown) => {
    // Callers expect axios's own error for a lost connection.
    throw error instanceof NetworkError && axios.isAxiosError(error.cause) ? error.cause : error;
  });
  const failure = failures.get(response);
  if (failure) throw failure;
  return response;
}

function isStream(data: unknown): boolean {
  return typeof data === "object" && data !== null && ("getReader" in data || ("pipe" in data && typeof data.pipe === "function"));
}
