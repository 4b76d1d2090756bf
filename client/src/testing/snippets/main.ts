import { provideHttpClient, withInterceptors } from "@angular/common/http";
import { type ApplicationConfig } from "@angular/core";
import { provideRouter } from "@angular/router";
import { createClient } from "@sallyport/client";
import { authGuard, autoLoginGuard, provideSallyport, sallyportInterceptor } from "@sallyport/client/angular";

const client = createClient({ url: location.origin, mode: "cookie" });

export const config: ApplicationConfig = {
  providers: [
    provideSallyport(client),
    provideHttpClient(withInterceptors([sallyportInterceptor])),
    provideRouter([
      { path: "log-in", canMatch: [autoLoginGuard("/home")], loadComponent: () => import("./log-in") },
      { path: "home", canMatch: [authGuard("/log-in")], loadComponent: () => import("./home") },
    ]),
  ],
};
