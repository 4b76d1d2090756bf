/** Name the device of a session by its User-Agent, so that its owner recognizes it. As on the hosted pages. */

// The first that occurs counts: other browsers and systems name these as well.
const BROWSERS: readonly (readonly [string, string])[] = [
  ["Edg/", "Edge"],
  ["EdgA/", "Edge"],
  ["EdgiOS/", "Edge"],
  ["OPR/", "Opera"],
  ["SamsungBrowser/", "Samsung Internet"],
  ["Vivaldi/", "Vivaldi"],
  ["FxiOS/", "Firefox"],
  ["Firefox/", "Firefox"],
  ["CriOS/", "Chrome"],
  ["Chromium/", "Chromium"],
  ["HeadlessChrome/", "Chrome"],
  ["Chrome/", "Chrome"],
  ["Safari/", "Safari"],
];
const SYSTEMS: readonly (readonly [string, string])[] = [
  ["iPhone", "iPhone"],
  ["iPad", "iPad"],
  ["Android", "Android"],
  ["CrOS", "ChromeOS"],
  ["Windows", "Windows"],
  ["Macintosh", "macOS"],
  ["Linux", "Linux"],
];
/** Characters of a User-Agent that is shown as it is. */
const LONGEST_NAME = 60;

/** What a User-Agent says about a device. Members are "" if unknown. */
export interface Device {
  readonly browser: string;
  readonly system: string;
  /** The User-Agent, shortened. */
  readonly userAgent: string;
  readonly kind: "phone" | "computer" | "other";
}

/** Return what `userAgent` says about its device. */
export function deviceOf(userAgent: string): Device {
  const isBrowser = userAgent.startsWith("Mozilla/");
  const find = (names: readonly (readonly [string, string])[]) =>
    (isBrowser && names.find(([sign]) => userAgent.includes(sign))?.[1]) || "";
  const system = find(SYSTEMS);
  const isPhone = ["iPhone", "iPad", "Android"].includes(system);
  return {
    browser: find(BROWSERS),
    system,
    userAgent: userAgent.length > LONGEST_NAME ? `${userAgent.slice(0, LONGEST_NAME - 1).trimEnd()}…` : userAgent,
    kind: isPhone ? "phone" : system ? "computer" : "other",
  };
}
