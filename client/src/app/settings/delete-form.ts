import { afterNextRender, ChangeDetectionStrategy, Component, ElementRef, inject, Injector, signal } from "@angular/core";
import { IonButton } from "@ionic/angular/ion-button";
import { injectClient } from "@sallyport/client/angular";

import { FormMessage } from "../forms/form-message";
import { FormState } from "../forms/form-state";
import { SubmitButton } from "../forms/submit-button";
import { TextField } from "../forms/text-field";
import { Language } from "../language/language";
import { SessionNavigation } from "../session/session-navigation";
import { UserNameField } from "./user-name-field";

/** Delete the account: first a button, then the password and a second button. */
@Component({
  selector: "app-delete-form",
  changeDetection: ChangeDetectionStrategy.OnPush,
  imports: [FormMessage, IonButton, SubmitButton, TextField, UserNameField],
  template: `
    <section class="card danger-zone" aria-labelledby="delete-heading">
      <h2 id="delete-heading" tabindex="-1">{{ texts().settings.delete }}</h2>
      <p>{{ texts().settings.deleteText }}</p>
      @if (isConfirming()) {
        <form novalidate (submit)="delete($event)">
          <app-form-message [message]="form.message()" />
          <app-user-name-field />
          <app-text-field
            [form]="form"
            name="current_password"
            type="password"
            autocomplete="current-password"
            [label]="texts().common.currentPassword"
          />
          <div class="form-actions">
            <app-submit-button color="danger" [label]="texts().settings.deleteSubmit" [busy]="form.busy()" [expand]="undefined" />
            <ion-button fill="clear" color="medium" (click)="confirm(false)">{{ texts().common.cancel }}</ion-button>
          </div>
        </form>
      } @else {
        <ion-button fill="outline" color="danger" (click)="confirm(true)">{{ texts().settings.deleteStart }}</ion-button>
      }
    </section>
  `,
})
export class DeleteForm {
  protected readonly form = new FormState({ current_password: { required: true } });
  /** Whether the user pressed the first button. */
  protected readonly isConfirming = signal(false);
  protected readonly texts = inject(Language).texts;
  private readonly client = injectClient();
  private readonly navigation = inject(SessionNavigation);
  private readonly element = inject<ElementRef<HTMLElement>>(ElementRef).nativeElement;
  private readonly injector = inject(Injector);

  /** Show the password and the second button, or the first button. The focus moves, because the pressed button is removed. */
  protected confirm(isConfirming: boolean): void {
    this.form.reset();
    this.isConfirming.set(isConfirming);
    afterNextRender(() => void this.focus(), { injector: this.injector });
  }

  protected delete(event: Event): Promise<void> {
    return this.form.submit(event, async (values) => {
      await this.navigation.because("deleted", () => this.client.users.delete(values));
    });
  }

  private async focus(): Promise<void> {
    const field = this.element.querySelector("ion-input");
    const focused = field ? await field.getInputElement() : this.element.querySelector<HTMLElement>("h2");
    focused?.focus();
    this.element.scrollIntoView({ block: "nearest" });
  }
}
