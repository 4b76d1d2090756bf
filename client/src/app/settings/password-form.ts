import { ChangeDetectionStrategy, Component, inject } from "@angular/core";
import { injectClient } from "@sallyport/client/angular";

import { FormMessage } from "../forms/form-message";
import { FormState } from "../forms/form-state";
import { SubmitButton } from "../forms/submit-button";
import { TextField } from "../forms/text-field";
import { Language } from "../language/language";
import { Notices } from "../shell/notices";
import { UserNameField } from "./user-name-field";

/** Change the password. Which passwords are good enough, the server decides. */
@Component({
  selector: "app-password-form",
  changeDetection: ChangeDetectionStrategy.OnPush,
  imports: [FormMessage, SubmitButton, TextField, UserNameField],
  template: `
    <section class="card" aria-labelledby="password-heading">
      <h2 id="password-heading">{{ texts().settings.password }}</h2>
      <form novalidate (submit)="save($event)">
        <app-form-message [message]="form.message()" />
        <app-user-name-field />
        <app-text-field
          [form]="form"
          name="current_password"
          type="password"
          autocomplete="current-password"
          [label]="texts().common.currentPassword"
        />
        <app-text-field
          [form]="form"
          name="new_password"
          type="password"
          autocomplete="new-password"
          [label]="texts().common.newPassword"
          [hint]="texts().settings.othersEnd"
        />
        <app-submit-button [label]="texts().settings.savePassword" [busy]="form.busy()" [expand]="undefined" />
      </form>
    </section>
  `,
})
export class PasswordForm {
  protected readonly form = new FormState({ current_password: { required: true }, new_password: { required: true } });
  protected readonly texts = inject(Language).texts;
  private readonly client = injectClient();
  private readonly notices = inject(Notices);

  protected save(event: Event): Promise<void> {
    return this.form.submit(event, async (values) => {
      await this.client.users.setPassword(values);
      this.form.empty(event);
      void this.notices.inform(this.texts().settings.passwordSaved);
    });
  }
}
