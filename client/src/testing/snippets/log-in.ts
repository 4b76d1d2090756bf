import { Component, inject, signal } from "@angular/core";
import { NavController } from "@ionic/angular/nav-controller";
import { ApiError } from "@sallyport/client";
import { injectClient } from "@sallyport/client/angular";

@Component({
  selector: "app-log-in",
  template: `
    <form (submit)="logIn($event)">
      <input name="email" type="email" autocomplete="username" />
      <input name="password" type="password" autocomplete="current-password" />
      <button>Log in</button>
      <p role="alert">{{ problem() }}</p>
    </form>
  `,
})
export default class LogInPage {
  protected readonly problem = signal("");
  private readonly client = injectClient();
  private readonly navigation = inject(NavController);

  protected async logIn(event: Event): Promise<void> {
    event.preventDefault();
    // Read from the elements: password managers fill them without the events that a model needs.
    const form = new FormData(event.target as HTMLFormElement);
    try {
      await this.client.logIn({ email: String(form.get("email")), password: String(form.get("password")) });
      // To the root: Ionic would keep the log-in page behind the next one.
      await this.navigation.navigateRoot("/home", { replaceUrl: true });
    } catch (error) {
      this.problem.set(error instanceof ApiError ? error.detail : "The server could not be reached.");
    }
  }
}
