import { ChangeDetectionStrategy, Component, computed, inject, viewChild } from "@angular/core";
import { isPlatform } from "@ionic/core/components";
import { IonApp } from "@ionic/angular/ion-app";
import { IonRouterOutlet } from "@ionic/angular/ion-router-outlet";

import { Language } from "./language/language";
import { leaveAppWithBackButton } from "./native/hardware-back-button";
import { Session } from "./session/session";
import { SessionNavigation } from "./session/session-navigation";

/** The app: the page that the route selects, below a notice while there is no connection. */
@Component({
  selector: "app-root",
  changeDetection: ChangeDetectionStrategy.OnPush,
  imports: [IonApp, IonRouterOutlet],
  template: `
    <ion-app>
      <div class="connection-notice" role="status" [class.shown]="notice() !== ''">{{ notice() }}</div>
      <div class="outlet-frame"><ion-router-outlet /></div>
    </ion-app>
  `,
})
export class App {
  private readonly session = inject(Session);
  private readonly texts = inject(Language).texts;
  private readonly outlet = viewChild.required(IonRouterOutlet);
  protected readonly notice = computed(() => {
    const { notice, unreachable } = this.texts().offline;
    if (this.session.offline()) return notice;
    return this.session.unreachable() ? unreachable : "";
  });

  constructor() {
    inject(SessionNavigation).start();
    if (isPlatform("android") && isPlatform("capacitor")) leaveAppWithBackButton(() => this.outlet());
  }
}
