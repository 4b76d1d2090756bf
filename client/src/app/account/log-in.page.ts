import { ChangeDetectionStrategy, Component, inject, input } from "@angular/core";
import { RouterLink } from "@angular/router";
import type { ViewWillEnter } from "@ionic/angular";
import { IonRouterLinkWithHref } from "@ionic/angular/ion-router-link";
import { injectClient } from "@sallyport/client/angular";

import { FormMessage } from "../forms/form-message";
import { FormState } from "../forms/form-state";
import { SubmitButton } from "../forms/submit-button";
import { TextField } from "../forms/text-field";
import { Language } from "../language/language";
import { PageTitle } from "../shell/page-title";
import { AccountLayout } from "./account-layout";

/** Log in with e-mail and password. */
@Component({
  selector: "app-log-in-page",
  changeDetection: ChangeDetectionStrategy.OnPush,
  imports: [AccountLayout, FormMessage, IonRouterLinkWithHref, RouterLink, SubmitButton, TextField],
  template: `
    <app-account-layout [title]="texts().logIn.title">
      @if (notice(); as text) {
        <p class="notice" role="status">{{ text }}</p>
      }
      <form novalidate (submit)="logIn($event)">
        <app-form-message [message]="form.message()" />
        <app-text-field [form]="form" name="email" type="email" autocomplete="username" [label]="texts().common.email" />
        <app-text-field
          [form]="form"
          name="password"
          type="password"
          autocomplete="current-password"
          [label]="texts().common.password"
        />
        <app-submit-button [label]="texts().logIn.submit" [busy]="form.busy()" />
      </form>
      <p class="link-line"><a routerLink="/forgotten-password" routerDirection="forward">{{ texts().logIn.forgotten }}</a></p>
      <p class="link-line">
        {{ texts().logIn.noAccount }}
        <a routerLink="/register" routerDirection="forward" queryParamsHandling="preserve">{{ texts().logIn.register }}</a>
      </p>
    </app-account-layout>
  `,
})
export class LogInPage implements ViewWillEnter {
  /** Why the user is here (query parameter). */
  readonly reason = input<string>();

  protected readonly form = new FormState({ email: { required: true }, password: { required: true } });
  protected readonly texts = inject(Language).texts;
  private readonly client = injectClient();
  private readonly pageTitle = inject(PageTitle);

  ionViewWillEnter(): void {
    this.pageTitle.set((texts) => texts.logIn.title);
  }

  protected notice(): string {
    const { signedOut, expired, deleted } = this.texts().logIn;
    return { "logged-out": signedOut, expired, deleted }[this.reason() ?? ""] ?? "";
  }

  protected logIn(event: Event): Promise<void> {
    // SessionNavigation opens the next page, as after a log-in in another tab.
    return this.form.submit(event, async (values) => void (await this.client.logIn(values)));
  }
}
