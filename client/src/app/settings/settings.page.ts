import { ChangeDetectionStrategy, Component, inject } from "@angular/core";
import type { ViewWillEnter } from "@ionic/angular";
import { IonContent } from "@ionic/angular/ion-content";

import { Language } from "../language/language";
import { LanguageSwitch } from "../shell/language-switch";
import { PageHeader } from "../shell/page-header";
import { PageTitle } from "../shell/page-title";
import { DeleteForm } from "./delete-form";
import { EmailForm } from "./email-form";
import { NameForm } from "./name-form";
import { PasswordForm } from "./password-form";

/** The settings of the account: name, address, password, language, and its deletion. */
@Component({
  selector: "app-settings-page",
  changeDetection: ChangeDetectionStrategy.OnPush,
  imports: [DeleteForm, EmailForm, IonContent, LanguageSwitch, NameForm, PageHeader, PasswordForm],
  template: `
    <app-page-header [title]="texts().settings.title" />
    <ion-content>
      <div class="page-narrow">
        <app-name-form />
        <app-email-form />
        <app-password-form />
        <section class="card row" aria-labelledby="language-heading">
          <h2 id="language-heading">{{ texts().common.language }}: {{ texts().languageName }}</h2>
          <app-language-switch />
        </section>
        <app-delete-form />
      </div>
    </ion-content>
  `,
})
export class SettingsPage implements ViewWillEnter {
  protected readonly texts = inject(Language).texts;
  private readonly pageTitle = inject(PageTitle);

  ionViewWillEnter(): void {
    this.pageTitle.set((texts) => texts.settings.title);
  }
}
