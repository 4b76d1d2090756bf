import type { IonRouterOutlet } from "@ionic/angular/ion-router-outlet";

interface BackButtonEvent extends Event {
  readonly detail: { register(priority: number, handler: () => void): void };
}

/** Let Android's back button leave the app where there is no earlier page: a log-out removes the pages before it. */
export function leaveAppWithBackButton(outlet: () => IonRouterOutlet): void {
  document.addEventListener("ionBackButton", (event) => {
    // Below Ionic's own priorities: dialogs (100) and pages (0) come first.
    (event as BackButtonEvent).detail.register(-1, () => {
      if (!outlet().canGoBack()) void import("@capacitor/app").then(({ App }) => App.minimizeApp());
    });
  });
}
