import { type SessionStorage, webStorage } from "@sallyport/client";

/**
 * Storage in the Keychain of iOS or under a key of Android's Keystore.
 *
 * Preferences are no place for a session: iOS clears them when storage runs low (ionic-framework#26545).
 */
export function secureStorage(): SessionStorage {
  const plugin = () => import("@aparajita/capacitor-secure-storage").then(({ SecureStorage }) => SecureStorage);
  return webStorage({
    getItem: async (key) => (await plugin()).getItem(key),
    setItem: async (key, value) => (await plugin()).setItem(key, value),
  });
}
