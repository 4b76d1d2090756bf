import { ChangeDetectionStrategy, Component, inject } from "@angular/core";

import { Session } from "../session/session";

/** A hidden field from which password managers read whose password the form changes. */
@Component({
  selector: "app-user-name-field",
  changeDetection: ChangeDetectionStrategy.OnPush,
  template: `<input hidden type="text" name="username" autocomplete="username" [value]="user()?.email ?? ''" readonly />`,
})
export class UserNameField {
  protected readonly user = inject(Session).user;
}
