import { ChangeDetectionStrategy, Component, inject } from "@angular/core";
import { injectClient } from "@sallyport/client/angular";

import { FormMessage } from "../forms/form-message";
import { FormState } from "../forms/form-state";
import { SubmitButton } from "../forms/submit-button";
import { TextField } from "../forms/text-field";
import { Language } from "../language/language";
import { Session } from "../session/session";
import { Notices } from "../shell/notices";
import { UserNameField } from "./user-name-field";

/** Change the e-mail address, with the password. */
@Component({
  selector: "app-email-form",
  changeDetection: ChangeDetectionStrategy.OnPush,
  imports: [FormMessage, SubmitButton, TextField, UserNameField],
  template: `
    <section class="card" aria-labelledby="email-heading">
      <h2 id="email-heading">{{ texts().settings.email }}</h2>
      @if (user(); as user) {
        <p>{{ texts().settings.presentEmail(user.email) }}</p>
      }
      <form novalidate (submit)="save($event)">
        <app-form-message [message]="form.message()" />
        <app-user-name-field />
        <app-text-field [form]="form" name="new_email" type="email" autocomplete="email" [label]="texts().settings.newEmail" />
        <app-text-field
          [form]="form"
          name="current_password"
          type="password"
          autocomplete="current-password"
          [label]="texts().common.currentPassword"
          [hint]="texts().settings.othersEnd"
        />
        <app-submit-button [label]="texts().settings.saveEmail" [busy]="form.busy()" [expand]="undefined" />
      </form>
    </section>
  `,
})
export class EmailForm {
  protected readonly form = new FormState({ new_email: { required: true }, current_password: { required: true } });
  protected readonly user = inject(Session).user;
  protected readonly texts = inject(Language).texts;
  private readonly client = injectClient();
  private readonly notices = inject(Notices);

  protected save(event: Event): Promise<void> {
    return this.form.submit(event, async (values) => {
      await this.client.users.setEmail(values);
      this.form.empty(event);
      void this.notices.inform(this.texts().settings.emailSaved);
    });
  }
}
