import { effect, inject, Injectable, signal } from "@angular/core";
import { Title } from "@angular/platform-browser";

import { Language } from "../language/language";
import type { Texts } from "../language/texts";

/** The title of the document: that of the page which is shown, in the language of the app. */
@Injectable({ providedIn: "root" })
export class PageTitle {
  private readonly choose = signal<(texts: Texts) => string>((texts) => texts.siteName);

  constructor() {
    const title = inject(Title);
    const language = inject(Language);
    effect(() => {
      const texts = language.texts();
      const page = this.choose()(texts);
      title.setTitle(page === texts.siteName ? page : `${page} · ${texts.siteName}`);
    });
  }

  /** Use the text that `choose` selects. Pages call this in `ionViewWillEnter`. */
  set(choose: (texts: Texts) => string): void {
    this.choose.set(choose);
  }
}
