/** Angular: provider, session signal, functional interceptor and guards. Works without zone.js. */

import { HttpErrorResponse, type HttpEvent, type HttpInterceptorFn, HttpResponse } from "@angular/common/http";
import { DestroyRef, type EnvironmentProviders, inject, InjectionToken, makeEnvironmentProviders, type Signal, signal } from "@angular/core";
import { Router, type UrlTree } from "@angular/router";
import { Observable, type Subscription } from "rxjs";

import type { Client, SessionState } from "../index.js";

const CLIENT = new InjectionToken<Client>("Sallyport client");

const SESSION = new InjectionToken<Signal<SessionState>>("Sallyport session", {
  providedIn: "root",
  factory: () => {
    const { session } = inject(CLIENT);
    const state = signal(session.current);
    inject(DestroyRef).onDestroy(session.subscribe((next) => state.set(next)));
    return state.asReadonly();
  },
});

/** Provide a client to the application. */
export function provideSallyport(client: Client): EnvironmentProviders {
  return makeEnvironmentProviders([{ provide: CLIENT, useValue: client }]);
}

/** Return the client of the application. */
export function injectClient(): Client {
  return inject(CLIENT);
}

/** Return the session as a signal. */
export function injectSession(): Signal<SessionState> {
  return inject(SESSION);
}

/** A guard that works with `canActivate` and with `canMatch`. */
export type Guard = () => Promise<boolean | UrlTree>;

/** Return a guard for pages of signed-in users: others are sent to `logInPage`, with the wanted URL as `returnUrl`. */
export function authGuard(logInPage = "/login"): Guard {
  return async () => {
    const router = inject(Router);
    const { session, ready } = inject(CLIENT);
    const returnUrl = router.currentNavigation()?.extractedUrl.toString();
    await ready;
    if (session.current.status === "signed-in") return true;
    return router.createUrlTree([logInPage], returnUrl && returnUrl !== "/" ? { queryParams: { returnUrl } } : {});
  };
}

/** Return a guard for the log-in and registration pages: signed-in users are sent to `homePage`. */
export function autoLoginGuard(homePage = "/home"): Guard {
  return async () => {
    const router = inject(Router);
    const { session, ready } = inject(CLIENT);
    await ready;
    return session.current.status === "signed-in" ? router.createUrlTree([homePage]) : true;
  };
}

/** Sends the requests of `HttpClient` by the rules of `client.fetch`. URLs are those of the page, as usual in Angular. */
export const sallyportInterceptor: HttpInterceptorFn = (request, next) => {
  const client = inject(CLIENT);
  return new Observable<HttpEvent<unknown>>((subscriber) => {
    const controller = new AbortController();
    let attempt: Subscription | undefined;
    const exchanged = {
      url: new URL(request.urlWithParams, globalThis.document?.baseURI ?? "http://localhost"),
      method: request.method,
      signal: controller.signal,
      replayable: true,
      hasOwnCredential: request.headers.has("Authorization"),
    };
    client
      .exchange(exchanged, ({ headers, credentials }) => {
        const withCredentials = credentials ? { withCredentials: credentials === "include" } : {};
        const authorized = request.clone({ setHeaders: { ...headers }, ...withCredentials });
        return new Promise<HttpResponse<unknown> | HttpErrorResponse>((resolve, reject) => {
          attempt = next(authorized).subscribe({
            next: (event) => (event instanceof HttpResponse ? resolve(event) : subscriber.next(event)),
            error: (error) => (error instanceof HttpErrorResponse && error.status > 0 ? resolve(error) : reject(error)),
          });
        });
      })
      .then(
        (answer) => {
          if (answer instanceof HttpErrorResponse) return subscriber.error(answer);
          subscriber.next(answer);
          subscriber.complete();
        },
        (error) => {
          const { url } = exchanged;
          const lost = error?.cause instanceof HttpErrorResponse ? error.cause : undefined;
          subscriber.error(lost ?? new HttpErrorResponse({ status: error?.status ?? 0, error, url: url.href }));
        },
      );
    return () => {
      controller.abort();
      attempt?.unsubscribe();
    };
  });
};
