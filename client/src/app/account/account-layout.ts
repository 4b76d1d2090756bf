import { ChangeDetectionStrategy, Component, inject, input } from "@angular/core";
import { IonContent } from "@ionic/angular/ion-content";

import { Language } from "../language/language";
import { LanguageSwitch } from "../shell/language-switch";

/** The frame of the pages for visitors: the name of the site, a card with the page, and the languages. */
@Component({
  selector: "app-account-layout",
  changeDetection: ChangeDetectionStrategy.OnPush,
  imports: [IonContent, LanguageSwitch],
  template: `
    <ion-content>
      <div class="account-layout">
        <div class="brand">
          <img src="favicon.svg" alt="" width="44" height="44" />
          <span>{{ language.texts().siteName }}</span>
        </div>
        <div class="card">
          <h1 tabindex="-1">{{ title() }}</h1>
          <ng-content />
        </div>
        <div class="languages"><app-language-switch /></div>
      </div>
    </ion-content>
  `,
  host: { class: "ion-page-content" },
})
export class AccountLayout {
  readonly title = input.required<string>();
  protected readonly language = inject(Language);
}
