import { ChangeDetectionStrategy, Component, computed, inject, input } from "@angular/core";
import { IonInput } from "@ionic/angular/ion-input";
import { IonInputPasswordToggle } from "@ionic/angular/ion-input-password-toggle";

import { Language } from "../language/language";
import type { FieldForm } from "./form-state";

/**
 * One line of text in a form, with its label and what is wrong with it.
 *
 * Ionic shows an error if the element has the classes ion-invalid and ion-touched. When the field loses the focus, its
 * Angular directive replaces them by those of Angular's forms: `ng-invalid` becomes `ion-invalid`.
 */
@Component({
  selector: "app-text-field",
  changeDetection: ChangeDetectionStrategy.OnPush,
  imports: [IonInput, IonInputPasswordToggle],
  template: `
    <ion-input
      mode="md"
      fill="outline"
      labelPlacement="stacked"
      autocapitalize="off"
      autocorrect="off"
      [spellcheck]="false"
      [name]="name()"
      [type]="type()"
      [label]="label()"
      [value]="value()"
      [helperText]="hint()"
      [errorText]="error()"
      [attr.maxlength]="maxlength()"
      [autocomplete]="autocomplete()"
      [class.ion-invalid]="!!error()"
      [class.ion-touched]="!!error()"
      [class.ng-invalid]="!!error()"
      [class.ng-touched]="!!error()"
      (ionInput)="form().edited(name())"
      (ionBlur)="left($event)"
    >
      @if (type() === "password") {
        <ion-input-password-toggle slot="end" color="medium" [attr.aria-label]="showPassword()" />
      }
    </ion-input>
  `,
})
export class TextField {
  readonly form = input.required<FieldForm>();
  readonly name = input.required<string>();
  readonly label = input.required<string>();
  readonly type = input<"text" | "email" | "password">("text");
  readonly autocomplete = input<IonInput["autocomplete"]>("off");
  readonly value = input("");
  readonly hint = input<string>();
  readonly maxlength = input<number>();

  protected readonly error = computed(() => this.form().errors()[this.name()]);
  protected readonly showPassword = computed(() => this.language.texts().common.showPassword);
  private readonly language = inject(Language);

  protected left(event: Event): void {
    const value = String((event.target as HTMLIonInputElement).value ?? "");
    this.form().left(this.name(), value, value !== this.value() || this.error() !== undefined);
  }
}
