import { computed, Injectable, signal } from "@angular/core";

import { en } from "./en";
import type { Texts } from "./texts";

/** A language of the app: its BCP 47 tag. */
export type LanguageTag = "en" | "fr";

interface Catalogue {
  readonly texts: Texts;
  readonly serverTexts: Readonly<Record<string, string>>;
}

const CHOICE = "sallyport-language";
// The server's other texts can be shown as they are.
const ENGLISH: Catalogue = {
  texts: en,
  serverTexts: { "No active account found with the given credentials": "The e-mail address or the password is wrong." },
};

function primary(tag: string): string | undefined {
  return tag.toLowerCase().split("-")[0];
}

/** Return the first of the browser's languages that the app has, else English. */
export function preferredLanguage(choice: string | null, languages: readonly string[]): LanguageTag {
  for (const tag of choice ? [choice, ...languages] : languages) {
    const language = primary(tag);
    if (language === "en" || language === "fr") return language;
  }
  return "en";
}

/** The language of the app: chosen by the user, else by the browser. French is loaded when it is needed. */
@Injectable({ providedIn: "root" })
export class Language {
  private readonly catalogue = signal<Catalogue>(ENGLISH);
  private readonly current = signal<LanguageTag>("en");

  /** The language in use. */
  readonly tag = this.current.asReadonly();
  /** The language as the browser has it, with the region: "en-GB" writes days before months. */
  readonly locale = computed(() => navigator.languages.find((tag) => primary(tag) === this.current()) ?? this.current());
  /** The texts in this language. */
  readonly texts = computed(() => this.catalogue().texts);
  /** The other languages, each with its own name. */
  readonly others = computed<readonly { tag: LanguageTag; name: string }[]>(() =>
    this.current() === "en" ? [{ tag: "fr", name: "Français" }] : [{ tag: "en", name: "English" }],
  );

  /** Use the language that the user chose before, else the browser's. */
  async restore(): Promise<void> {
    await this.use(preferredLanguage(storedChoice(), navigator.languages));
  }

  /** Use a language, and keep the choice on this device. */
  async choose(tag: LanguageTag): Promise<void> {
    await this.use(tag);
    try {
      localStorage.setItem(CHOICE, tag);
    } catch {
      // Storage is switched off: the choice lasts until the page is closed.
    }
  }

  /** Return an error text of the server in this language; one that is not known, as the server wrote it. */
  serverText(text: string): string {
    const { serverTexts } = this.catalogue();
    const number = /\d+/.exec(text)?.[0];
    const translated = serverTexts[text] ?? (number && serverTexts[text.replace(number, "{n}")]);
    return translated?.replace("{n}", number ?? "") || text;
  }

  private async use(tag: LanguageTag): Promise<void> {
    this.catalogue.set(tag === "fr" ? await loadFrench() : ENGLISH);
    this.current.set(tag);
    document.documentElement.lang = tag;
  }
}

async function loadFrench(): Promise<Catalogue> {
  const [{ fr }, { serverTextsFr }] = await Promise.all([import("./fr"), import("./server-texts-fr")]);
  return { texts: fr, serverTexts: serverTextsFr };
}

function storedChoice(): string | null {
  try {
    return localStorage.getItem(CHOICE);
  } catch {
    return null; // storage is switched off
  }
}
