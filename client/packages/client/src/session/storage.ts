/** Where a client keeps its session: one value under one key, written in one write. */

/** A place for one text per key. Methods may be synchronous or asynchronous, and may throw. */
export interface SessionStorage {
  get(key: string): string | null | Promise<string | null>;
  set(key: string, value: string): void | Promise<void>;
  /** Call `listener` when another tab may have written `key`. Late, missing and false calls do no harm. */
  subscribe?(key: string, listener: () => void): () => void;
}

/** Storage in memory: a reload signs the user out. For tests, servers, and pages that must not leave traces. */
export function memoryStorage(): SessionStorage {
  const values = new Map<string, string>();
  return {
    get: (key) => values.get(key) ?? null,
    set: (key, value) => void values.set(key, value),
  };
}

/** A store with the methods of `localStorage`, which may be asynchronous: React Native's `AsyncStorage`, `SecureStorage`. */
export interface ItemStore {
  getItem(key: string): string | null | Promise<string | null>;
  setItem(key: string, value: string): void | Promise<void>;
}

/** Storage in `localStorage`, which all tabs share, or in another `store` with its methods. Without a window: memory. */
export function webStorage(store?: ItemStore): SessionStorage {
  const { get: getItem, set: setItem } = memoryStorage();
  const memory: ItemStore = { getItem, setItem };
  // Where the browser blocks storage, reading the property `localStorage` throws: read it at each use.
  const place = () => store ?? (typeof window === "undefined" ? memory : window.localStorage);
  return {
    get: (key) => place().getItem(key),
    set: (key, value) => place().setItem(key, value),
    subscribe: (key, listener) => {
      if (typeof window === "undefined") return () => undefined;
      // The key of an event is null when everything was cleared.
      const onStorage = (event: StorageEvent) => void ((event.key === key || event.key === null) && listener());
      window.addEventListener("storage", onStorage);
      return () => window.removeEventListener("storage", onStorage);
    },
  };
}
