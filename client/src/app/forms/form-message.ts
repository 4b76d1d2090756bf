import { ChangeDetectionStrategy, Component, input } from "@angular/core";

/** What is wrong with a whole form. Screen readers announce it when it changes. */
@Component({
  selector: "app-form-message",
  changeDetection: ChangeDetectionStrategy.OnPush,
  template: `<div role="alert" class="form-message" [class.empty]="!message()">{{ message() }}</div>`,
})
export class FormMessage {
  readonly message = input.required<string>();
}
