import { DOCUMENT, inject, Injectable, InjectionToken } from "@angular/core";
import { Router } from "@angular/router";
import { NavController } from "@ionic/angular/nav-controller";
import type { SessionState, SignOutReason } from "@sallyport/client";
import { injectClient } from "@sallyport/client/angular";

import { Notices } from "../shell/notices";
import { HOME, LOG_IN, pageAfterLogIn } from "./guards";

/** Why a user came to the log-in page. */
export type Reason = "logged-out" | "expired" | "deleted";

/** Functions that the client calls after a sign-out, with the reason. */
export type SignOutListeners = Set<(reason: SignOutReason) => void>;

/** Provides the listeners; the client is created before them. */
export const SIGN_OUT_LISTENERS = new InjectionToken<SignOutListeners>("sign-out listeners");

/**
 * Moves the app to the right page when the session begins or ends, in this tab or another.
 *
 * Every move is to the root of the navigation: Ionic keeps earlier pages in the document, and these belong to the user
 * who left (ionic-framework#16472). When another user takes over without a log-out, the app starts again.
 */
@Injectable({ providedIn: "root" })
export class SessionNavigation {
  private readonly client = injectClient();
  private readonly listeners = inject(SIGN_OUT_LISTENERS);
  private readonly router = inject(Router);
  private readonly navigation = inject(NavController);
  private readonly notices = inject(Notices);
  private readonly page = inject(DOCUMENT);
  private previous: SessionState = this.client.session.current;
  /** The last user of the running session. */
  private userId: string | null = this.previous.user?.id ?? null;
  private reason: Reason | null = null;

  /** Follow the session until the page is closed. */
  start(): void {
    this.client.session.subscribe((state) => this.changed(state));
    this.listeners.add((reason) => void this.leave(reason));
    this.watchBackForwardCache();
  }

  /** Give `reason` for a sign-out that happens while `action` runs. */
  async because(reason: Reason, action: () => Promise<unknown>): Promise<void> {
    this.reason = reason;
    try {
      await action();
    } finally {
      this.reason = null;
    }
  }

  private changed(state: SessionState): void {
    const { previous, userId } = this;
    this.previous = state;
    if (state.user) this.userId = state.user.id;
    if (state.status === "signed-out") this.userId = null;
    if (state.user && userId !== null && state.user.id !== userId) this.restart();
    else if (previous.status === "signed-out" && state.status === "signed-in") void this.enter();
  }

  private async enter(): Promise<void> {
    const { returnUrl } = this.router.parseUrl(this.router.url).queryParams;
    await this.navigation.navigateRoot(pageAfterLogIn(returnUrl), { replaceUrl: true });
  }

  private async leave(signOut: SignOutReason): Promise<void> {
    const reason = this.reason ?? (signOut === "session-ended" ? "expired" : "logged-out");
    const page = pageAfterLogIn(this.router.url);
    const queryParams = reason === "expired" && page !== HOME ? { reason, returnUrl: page } : { reason };
    // Not animated: an animation would show the page of the user who left for half a second.
    const move = this.navigation.navigateRoot(LOG_IN, { queryParams, replaceUrl: true, animated: false });
    await Promise.all([move, this.notices.closeAll()]);
  }

  // A page that the browser froze whole shows what it showed then, also after a log-out elsewhere.
  private watchBackForwardCache(): void {
    const { defaultView: view, documentElement } = this.page;
    view?.addEventListener("pagehide", ({ persisted }) => {
      if (persisted) documentElement.hidden = true;
    });
    view?.addEventListener("pageshow", ({ persisted }) => {
      if (persisted) this.restart();
    });
  }

  private restart(): void {
    this.page.documentElement.hidden = true;
    this.page.defaultView?.location.reload();
  }
}
