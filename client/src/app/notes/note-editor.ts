import { ChangeDetectionStrategy, Component, computed, ElementRef, inject, input, output, viewChild } from "@angular/core";
import { IonButton } from "@ionic/angular/ion-button";
import { IonButtons } from "@ionic/angular/ion-buttons";
import { IonContent } from "@ionic/angular/ion-content";
import { IonHeader } from "@ionic/angular/ion-header";
import { IonModal } from "@ionic/angular/ion-modal";
import { IonTextarea } from "@ionic/angular/ion-textarea";
import { IonTitle } from "@ionic/angular/ion-title";
import { IonToolbar } from "@ionic/angular/ion-toolbar";

import { FormMessage } from "../forms/form-message";
import { FormState } from "../forms/form-state";
import { SubmitButton } from "../forms/submit-button";
import { TextField } from "../forms/text-field";
import { Language } from "../language/language";
import { Notices } from "../shell/notices";
import type { Note } from "./note";
import { NotesStore } from "./notes-store";

/** A dialog in which a note is written, changed or deleted. It opens at once, and asks before it drops what was typed. */
@Component({
  selector: "app-note-editor",
  changeDetection: ChangeDetectionStrategy.OnPush,
  imports: [
    FormMessage,
    IonButton,
    IonButtons,
    IonContent,
    IonHeader,
    IonModal,
    IonTextarea,
    IonTitle,
    IonToolbar,
    SubmitButton,
    TextField,
  ],
  template: `
    <ion-modal
      class="note-dialog"
      [isOpen]="true"
      [canDismiss]="mayClose"
      [attr.aria-label]="heading()"
      (didPresent)="presented()"
      (didDismiss)="closed.emit()"
    >
      <ng-template>
        <ion-header>
          <ion-toolbar>
            <ion-title><h2 class="toolbar-heading">{{ heading() }}</h2></ion-title>
            <ion-buttons slot="end">
              <ion-button (click)="dismiss()">{{ texts().common.close }}</ion-button>
            </ion-buttons>
          </ion-toolbar>
        </ion-header>
        <ion-content class="ion-padding">
          <form #editor novalidate [attr.aria-label]="heading()" (submit)="save($event)">
            <app-form-message [message]="form.message()" />
            <app-text-field
              [form]="form"
              name="title"
              [label]="texts().notes.noteTitle"
              [value]="note()?.title ?? ''"
              [maxlength]="200"
            />
            <ion-textarea
              mode="md"
              fill="outline"
              labelPlacement="stacked"
              name="body"
              autocapitalize="sentences"
              [rows]="8"
              [autoGrow]="true"
              [maxlength]="10000"
              [label]="texts().notes.body"
              [value]="note()?.body ?? ''"
              [errorText]="form.errors()['body']"
              [class.ion-invalid]="!!form.errors()['body']"
              [class.ion-touched]="!!form.errors()['body']"
              [class.ng-invalid]="!!form.errors()['body']"
              [class.ng-touched]="!!form.errors()['body']"
              (ionInput)="form.edited('body')"
            />
            <div class="form-actions">
              <app-submit-button [label]="texts().common.save" [busy]="form.busy()" />
              @if (note()) {
                <ion-button fill="clear" color="danger" (click)="delete()">{{ texts().common.delete }}</ion-button>
              }
            </div>
          </form>
        </ion-content>
      </ng-template>
    </ion-modal>
  `,
})
export class NoteEditor {
  /** The note to change; null to write a new one. */
  readonly note = input.required<Note | null>();
  readonly closed = output<void>();

  protected readonly form = new FormState({ title: { required: true }, body: { required: false } });
  protected readonly texts = inject(Language).texts;
  protected readonly heading = computed(() => (this.note() ? this.texts().notes.edit : this.texts().notes.new));
  private readonly store = inject(NotesStore);
  private readonly notices = inject(Notices);
  private readonly modal = viewChild.required(IonModal);
  private readonly editor = viewChild<ElementRef<HTMLFormElement>>("editor");
  /** Whether the dialog may close without a question. */
  private settled = false;

  protected readonly mayClose = async (): Promise<boolean> => {
    if (this.settled || !this.isChanged()) return true;
    const { discardTitle, discardText, discard, keepEditing } = this.texts().notes;
    return this.notices.confirm({ title: discardTitle, text: discardText, confirm: discard, cancel: keepEditing });
  };

  protected presented(): void {
    if (!this.note()) this.editor()?.nativeElement.querySelector("input")?.focus();
  }

  protected dismiss(): Promise<boolean> {
    return this.modal().dismiss();
  }

  protected save(event: Event): Promise<void> {
    return this.form.submit(event, async (values) => {
      await this.store.save(values, this.note()?.id);
      await this.done(this.texts().notes.saved);
    });
  }

  protected async delete(): Promise<void> {
    const note = this.note();
    if (!note) return;
    const { deleteTitle: title, deleteText, deleted } = this.texts().notes;
    const confirm = this.texts().common.delete;
    if (!(await this.notices.confirm({ title, text: deleteText(note.title), confirm }))) return;
    try {
      await this.store.delete(note.id);
    } catch (error) {
      this.form.fail(error);
      return;
    }
    await this.done(deleted);
  }

  private async done(message: string): Promise<void> {
    this.settled = true;
    await this.dismiss();
    void this.notices.inform(message);
  }

  private isChanged(): boolean {
    const form = this.editor()?.nativeElement;
    if (!form) return false;
    const data = new FormData(form);
    const note = this.note();
    return data.get("title") !== (note?.title ?? "") || String(data.get("body")).replaceAll("\r\n", "\n") !== (note?.body ?? "");
  }
}
