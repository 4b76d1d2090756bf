/** Clients of a fake gateway, and what tests say about them. */

import { createClient, type Client, type ClientOptions, memoryStorage, type SessionStorage } from "../../src/index.js";
import { FakeGateway } from "./fake-gateway.js";

export const ANN = { email: "ann@example.com", password: "good" };
export const BOB = { email: "bob@example.com", password: "good" };

export interface SetUp {
  readonly gateway: FakeGateway;
  readonly storage: SessionStorage;
  readonly client: Client;
  /** Open another client on the same storage: a tab that gets no storage events, or the app after a restart. */
  tab(options?: Partial<ClientOptions>): Promise<Client>;
  /** The reasons of all sign-outs of `client`. */
  readonly signOuts: string[];
}

/** Return a gateway and a client that nobody is signed in to. */
export async function setUp(options: Partial<ClientOptions> = {}): Promise<SetUp> {
  const gateway = new FakeGateway();
  const storage = options.storage ?? memoryStorage();
  const signOuts: string[] = [];
  const tab = async (more: Partial<ClientOptions> = {}) => {
    const opened = createClient({ url: gateway.url, fetch: gateway.fetch, storage, ...options, ...more });
    await opened.ready;
    return opened;
  };
  const client = await tab({ onSignedOut: (reason) => signOuts.push(reason) });
  return { gateway, storage, client, tab, signOuts };
}

/** Return a gateway and a client that Ann is signed in to. */
export async function signedIn(options: Partial<ClientOptions> = {}): Promise<SetUp> {
  const system = await setUp(options);
  await system.client.logIn(ANN);
  system.gateway.received.length = 0;
  return system;
}

/** Return the settled states of promises, by status or name of the error. */
export async function outcomes(promises: Promise<Response>[]): Promise<(number | string)[]> {
  const settled = await Promise.allSettled(promises);
  return settled.map((result) => (result.status === "fulfilled" ? result.value.status : (result.reason as Error).name));
}

/** Return a promise, and the function that resolves it. */
export function latch(): [Promise<void>, () => void] {
  let release = () => {};
  return [new Promise<void>((resolve) => (release = resolve)), () => release()];
}
