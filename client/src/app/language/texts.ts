import type { en } from "./en";

/** Every text of the app in one language. */
export type Texts = typeof en;
