/** Storage of Capacitor apps, in a plugin with the methods of `@capacitor/preferences`. */

import type { SessionStorage } from "../session/storage.js";

/** The methods of `@capacitor/preferences` and `capacitor-secure-storage-plugin` that the kit calls. */
export interface KeyValuePlugin {
  get(options: { key: string }): Promise<{ value: string | null }>;
  set(options: { key: string; value: string }): Promise<unknown>;
}

/** Storage of a Capacitor app, in `SecureStoragePlugin` (Keychain and Keystore) or in `Preferences`. */
export function capacitorStorage(plugin: KeyValuePlugin): SessionStorage {
  return {
    get: async (key) => {
      try {
        return (await plugin.get({ key })).value;
      } catch (error) {
        // capacitor-secure-storage-plugin rejects for a key that was never set.
        if (/does not exist/i.test(String((error as Error).message))) return null;
        throw error;
      }
    },
    set: async (key, value) => void (await plugin.set({ key, value })),
  };
}
