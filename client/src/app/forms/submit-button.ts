import { ChangeDetectionStrategy, Component, inject, input } from "@angular/core";
import { IonButton } from "@ionic/angular/ion-button";
import { IonSpinner } from "@ionic/angular/ion-spinner";

import { Language } from "../language/language";

/** The button that sends a form. It keeps its name and its focus while the form is being sent. */
@Component({
  selector: "app-submit-button",
  changeDetection: ChangeDetectionStrategy.OnPush,
  imports: [IonButton, IonSpinner],
  template: `
    <ion-button type="submit" [expand]="expand()" [color]="color()" [attr.aria-busy]="busy()">
      @if (busy()) {
        <ion-spinner name="crescent" slot="start" aria-hidden="true" />
      }
      {{ label() }}
    </ion-button>
    <span class="visually-hidden" role="status">{{ busy() ? language.texts().common.loading : "" }}</span>
  `,
})
export class SubmitButton {
  readonly label = input.required<string>();
  readonly busy = input.required<boolean>();
  readonly expand = input<"block" | undefined>("block");
  readonly color = input("primary");
  protected readonly language = inject(Language);
}
