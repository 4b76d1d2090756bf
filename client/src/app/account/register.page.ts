import { ChangeDetectionStrategy, Component, inject, signal } from "@angular/core";
import { RouterLink } from "@angular/router";
import type { ViewWillEnter } from "@ionic/angular";
import { NavController } from "@ionic/angular/nav-controller";
import { IonButton } from "@ionic/angular/ion-button";
import { IonRouterLinkWithHref } from "@ionic/angular/ion-router-link";
import { ApiError } from "@sallyport/client";
import { injectClient } from "@sallyport/client/angular";

import { FormMessage } from "../forms/form-message";
import { FormState } from "../forms/form-state";
import { SubmitButton } from "../forms/submit-button";
import { TextField } from "../forms/text-field";
import { Language } from "../language/language";
import { Notices } from "../shell/notices";
import { PageTitle } from "../shell/page-title";
import { AccountLayout } from "./account-layout";

/** Create an account. It is logged in at once, unless the server wants the address confirmed first. */
@Component({
  selector: "app-register-page",
  changeDetection: ChangeDetectionStrategy.OnPush,
  imports: [AccountLayout, FormMessage, IonButton, IonRouterLinkWithHref, RouterLink, SubmitButton, TextField],
  template: `
    @if (unconfirmed(); as email) {
      <app-account-layout [title]="texts().register.checkMailTitle">
        <p role="status">{{ texts().register.checkMail(email) }}</p>
        <ion-button expand="block" fill="outline" (click)="sendAgain(email)">{{ texts().register.sendAgain }}</ion-button>
        <p class="link-line"><a routerLink="/log-in" routerDirection="root">{{ texts().common.goToLogIn }}</a></p>
      </app-account-layout>
    } @else {
      <app-account-layout [title]="texts().register.title">
        <form novalidate (submit)="register($event)">
          <app-form-message [message]="form.message()" />
          <app-text-field [form]="form" name="email" type="email" autocomplete="username" [label]="texts().common.email" />
          <app-text-field
            [form]="form"
            name="password"
            type="password"
            autocomplete="new-password"
            [label]="texts().common.password"
            [hint]="texts().register.passwordHint"
          />
          <div class="field-pair">
            <app-text-field [form]="form" name="first_name" autocomplete="given-name" [label]="texts().common.firstName" />
            <app-text-field [form]="form" name="last_name" autocomplete="family-name" [label]="texts().common.lastName" />
          </div>
          <app-submit-button [label]="texts().register.submit" [busy]="form.busy()" />
        </form>
        <p class="link-line">
          {{ texts().register.haveAccount }}
          <a routerLink="/log-in" routerDirection="back" queryParamsHandling="preserve">{{ texts().register.logIn }}</a>
        </p>
      </app-account-layout>
    }
  `,
})
export class RegisterPage implements ViewWillEnter {
  protected readonly form = new FormState({
    email: { required: true },
    password: { required: true },
    first_name: { required: false },
    last_name: { required: false },
  });
  /** The address that has to be confirmed before its user can log in. */
  protected readonly unconfirmed = signal<string | null>(null);
  protected readonly texts = inject(Language).texts;
  private readonly client = injectClient();
  private readonly navigation = inject(NavController);
  private readonly notices = inject(Notices);
  private readonly pageTitle = inject(PageTitle);

  ionViewWillEnter(): void {
    this.pageTitle.set((texts) => texts.register.title);
  }

  protected register(event: Event): Promise<void> {
    return this.form.submit(event, async (values) => {
      const { signedIn, error } = await this.client.register(values);
      if (signedIn) return; // SessionNavigation opens the next page
      if (error instanceof ApiError && error.status === 401) this.unconfirmed.set(values.email.trim());
      // The account exists, and only its first log-in failed.
      else await this.navigation.navigateRoot("/log-in", { replaceUrl: true });
    });
  }

  protected async sendAgain(email: string): Promise<void> {
    try {
      await this.client.users.resendActivation(email);
      await this.notices.inform(this.texts().register.sentAgain);
    } catch (error) {
      this.form.fail(error);
      await this.notices.warn(this.form.message());
    }
  }
}
