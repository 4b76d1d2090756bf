import { ChangeDetectionStrategy, Component, inject, signal } from "@angular/core";
import { RouterLink } from "@angular/router";
import type { ViewWillEnter } from "@ionic/angular";
import { IonButton } from "@ionic/angular/ion-button";
import { IonRouterLinkWithHref } from "@ionic/angular/ion-router-link";
import { injectClient } from "@sallyport/client/angular";

import { FormMessage } from "../forms/form-message";
import { FormState } from "../forms/form-state";
import { SubmitButton } from "../forms/submit-button";
import { TextField } from "../forms/text-field";
import { Language } from "../language/language";
import { PageTitle } from "../shell/page-title";
import { AccountLayout } from "./account-layout";

/** Ask for a mail with a link to choose a new password. The link opens a page of the auth service. */
@Component({
  selector: "app-forgotten-password-page",
  changeDetection: ChangeDetectionStrategy.OnPush,
  imports: [AccountLayout, FormMessage, IonButton, IonRouterLinkWithHref, RouterLink, SubmitButton, TextField],
  template: `
    @if (sentTo(); as email) {
      <app-account-layout [title]="texts().forgotten.sentTitle">
        <p role="status">{{ texts().forgotten.sent(email) }}</p>
        <p class="hint">{{ texts().forgotten.hint }}</p>
        <ion-button expand="block" fill="outline" (click)="sentTo.set(null)">{{ texts().forgotten.again }}</ion-button>
        <p class="link-line"><a routerLink="/log-in" routerDirection="back">{{ texts().common.goToLogIn }}</a></p>
      </app-account-layout>
    } @else {
      <app-account-layout [title]="texts().forgotten.title">
        <p>{{ texts().forgotten.intro }}</p>
        <form novalidate (submit)="send($event)">
          <app-form-message [message]="form.message()" />
          <app-text-field [form]="form" name="email" type="email" autocomplete="username" [label]="texts().common.email" />
          <app-submit-button [label]="texts().forgotten.submit" [busy]="form.busy()" />
        </form>
        <p class="link-line"><a routerLink="/log-in" routerDirection="back">{{ texts().common.goToLogIn }}</a></p>
      </app-account-layout>
    }
  `,
})
export class ForgottenPasswordPage implements ViewWillEnter {
  protected readonly form = new FormState({ email: { required: true } });
  /** The address to which the mail went. */
  protected readonly sentTo = signal<string | null>(null);
  protected readonly texts = inject(Language).texts;
  private readonly client = injectClient();
  private readonly pageTitle = inject(PageTitle);

  ionViewWillEnter(): void {
    this.pageTitle.set((texts) => texts.forgotten.title);
  }

  protected send(event: Event): Promise<void> {
    return this.form.submit(event, async ({ email }) => {
      await this.client.users.resetPassword(email.trim());
      this.sentTo.set(email.trim());
    });
  }
}
