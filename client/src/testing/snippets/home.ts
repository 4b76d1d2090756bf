import { HttpClient } from "@angular/common/http";
import { Component, inject } from "@angular/core";
import { toSignal } from "@angular/core/rxjs-interop";
import { NavController } from "@ionic/angular/nav-controller";
import { injectClient, injectSession } from "@sallyport/client/angular";
import { catchError, EMPTY } from "rxjs";

@Component({
  selector: "app-home",
  template: `
    @if (session().offline) {
      <p role="status">You are offline.</p>
    }
    <p>{{ session().user?.email }}</p>
    @if (notes(); as notes) {
      <p>{{ notes.count }} notes</p>
    }
    <button (click)="logOut()">Log out</button>
  `,
})
export default class HomePage {
  protected readonly session = injectSession();
  protected readonly notes = toSignal(
    // The template leaves the line out if the notes could not be read.
    inject(HttpClient).get<{ count: number }>("/api/notes/").pipe(catchError(() => EMPTY)),
  );
  private readonly client = injectClient();
  private readonly navigation = inject(NavController);

  protected async logOut(): Promise<void> {
    const ended = this.client.logOut(); // signed out here at once; the promise waits for the server
    await this.navigation.navigateRoot("/log-in", { replaceUrl: true });
    await ended;
  }
}
