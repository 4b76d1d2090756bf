import { ChangeDetectionStrategy, Component, inject } from "@angular/core";
import { IonButton } from "@ionic/angular/ion-button";

import { Language } from "../language/language";

/** Buttons for the other languages, each in its own language. */
@Component({
  selector: "app-language-switch",
  changeDetection: ChangeDetectionStrategy.OnPush,
  imports: [IonButton],
  template: `
    @for (other of language.others(); track other.tag) {
      <ion-button fill="clear" size="small" [attr.lang]="other.tag" (click)="language.choose(other.tag)">{{ other.name }}</ion-button>
    }
  `,
})
export class LanguageSwitch {
  protected readonly language = inject(Language);
}
