import { type ApplicationConfig, inject, provideAppInitializer } from "@angular/core";
import { provideRouter, RouteReuseStrategy, withComponentInputBinding } from "@angular/router";
import { IonicRouteStrategy } from "@ionic/angular/ionic-route-strategy";
import { provideIonicAngular } from "@ionic/angular/provide";
import { isPlatform } from "@ionic/core/components";
import { type Client, createClient, webStorage } from "@sallyport/client";
import { provideSallyport } from "@sallyport/client/angular";

import { type Configuration, readConfiguration } from "./configuration";
import { Language } from "./language/language";
import { secureStorage } from "./native/secure-storage";
import { routes } from "./routes";
import { SIGN_OUT_LISTENERS, type SignOutListeners } from "./session/session-navigation";

/** Return what the app is built of. */
export function providers(page: Document): ApplicationConfig["providers"] {
  const configuration = readConfiguration(page);
  const listeners: SignOutListeners = new Set();
  return [
    { provide: SIGN_OUT_LISTENERS, useValue: listeners },
    provideSallyport(clientOf(configuration, listeners)),
    { provide: RouteReuseStrategy, useClass: IonicRouteStrategy },
    provideRouter(routes, withComponentInputBinding()),
    provideIonicAngular({
      // The focus follows to the heading of each page, so that screen readers read the page that came.
      focusManagerPriority: ["heading", "content"],
      innerHTMLTemplatesEnabled: false,
    }),
    provideAppInitializer(() => inject(Language).restore()),
  ];
}

function clientOf({ gateway, mode }: Configuration, listeners: SignOutListeners): Client {
  return createClient({
    url: gateway || location.origin,
    mode,
    storage: isPlatform("capacitor") ? secureStorage() : webStorage(),
    onSignedOut: (reason) => listeners.forEach((listener) => listener(reason)),
  });
}
