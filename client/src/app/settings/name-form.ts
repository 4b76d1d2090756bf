import { ChangeDetectionStrategy, Component, inject } from "@angular/core";
import { injectClient } from "@sallyport/client/angular";

import { FormMessage } from "../forms/form-message";
import { FormState } from "../forms/form-state";
import { SubmitButton } from "../forms/submit-button";
import { TextField } from "../forms/text-field";
import { Language } from "../language/language";
import { Session } from "../session/session";
import { Notices } from "../shell/notices";

/** Change the names. */
@Component({
  selector: "app-name-form",
  changeDetection: ChangeDetectionStrategy.OnPush,
  imports: [FormMessage, SubmitButton, TextField],
  template: `
    <section class="card" aria-labelledby="name-heading">
      <h2 id="name-heading">{{ texts().settings.name }}</h2>
      <form novalidate (submit)="save($event)">
        <app-form-message [message]="form.message()" />
        <div class="field-pair">
          <app-text-field
            [form]="form"
            name="first_name"
            autocomplete="given-name"
            [label]="texts().common.firstName"
            [value]="user()?.first_name ?? ''"
          />
          <app-text-field
            [form]="form"
            name="last_name"
            autocomplete="family-name"
            [label]="texts().common.lastName"
            [value]="user()?.last_name ?? ''"
          />
        </div>
        <app-submit-button [label]="texts().settings.saveName" [busy]="form.busy()" [expand]="undefined" />
      </form>
    </section>
  `,
})
export class NameForm {
  protected readonly form = new FormState({ first_name: { required: false }, last_name: { required: false } });
  protected readonly user = inject(Session).user;
  protected readonly texts = inject(Language).texts;
  private readonly client = injectClient();
  private readonly notices = inject(Notices);

  protected save(event: Event): Promise<void> {
    return this.form.submit(event, async (names) => {
      await this.client.users.update(names);
      void this.notices.inform(this.texts().settings.nameSaved);
    });
  }
}
