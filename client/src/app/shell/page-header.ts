import { ChangeDetectionStrategy, Component, inject, input } from "@angular/core";
import { IonBackButton } from "@ionic/angular/ion-back-button";
import { IonButtons } from "@ionic/angular/ion-buttons";
import { IonHeader } from "@ionic/angular/ion-header";
import { IonTitle } from "@ionic/angular/ion-title";
import { IonToolbar } from "@ionic/angular/ion-toolbar";

import { Language } from "../language/language";
import { HOME } from "../session/guards";

/** The header of a page that one goes back from. Its title is the heading of the page. */
@Component({
  selector: "app-page-header",
  changeDetection: ChangeDetectionStrategy.OnPush,
  imports: [IonBackButton, IonButtons, IonHeader, IonTitle, IonToolbar],
  template: `
    <ion-header>
      <ion-toolbar>
        <ion-buttons slot="start">
          <ion-back-button [defaultHref]="home" [text]="backText()" [attr.aria-label]="language.texts().common.back" />
        </ion-buttons>
        <ion-title><h1 class="toolbar-heading" tabindex="-1">{{ title() }}</h1></ion-title>
      </ion-toolbar>
    </ion-header>
  `,
})
export class PageHeader {
  readonly title = input.required<string>();
  protected readonly home = HOME;
  protected readonly language = inject(Language);
  protected readonly backText = () => this.language.texts().common.back;
}
