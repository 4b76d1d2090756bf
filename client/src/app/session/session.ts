import { computed, DestroyRef, inject, Injectable, signal } from "@angular/core";
import type { User } from "@sallyport/client";
import { injectSession } from "@sallyport/client/angular";

/** The session as signals, for templates and stores. */
@Injectable({ providedIn: "root" })
export class Session {
  private readonly state = injectSession();
  private readonly deviceOffline = signal(!navigator.onLine);

  /** The user, or null. */
  readonly user = computed<User | null>(() => this.state().user);
  /** The id of the user, or null. Changes only when another user takes over. */
  readonly userId = computed(() => this.user()?.id ?? null);
  /** Whether the device has no network. The user stays logged in. */
  readonly offline = this.deviceOffline.asReadonly();
  /** Whether there is a network, and the last request got no answer all the same. */
  readonly unreachable = computed(() => !this.deviceOffline() && this.state().offline);

  constructor() {
    const update = () => this.deviceOffline.set(!navigator.onLine);
    addEventListener("online", update);
    addEventListener("offline", update);
    inject(DestroyRef).onDestroy(() => {
      removeEventListener("online", update);
      removeEventListener("offline", update);
    });
  }
}
