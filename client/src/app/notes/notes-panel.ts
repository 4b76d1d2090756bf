import { ChangeDetectionStrategy, Component, computed, inject, signal } from "@angular/core";
import { IonButton } from "@ionic/angular/ion-button";
import { IonIcon } from "@ionic/angular/ion-icon";
import { IonSearchbar } from "@ionic/angular/ion-searchbar";
import { IonSkeletonText } from "@ionic/angular/ion-skeleton-text";
import { addIcons } from "ionicons";
import { addOutline, documentTextOutline, searchOutline } from "ionicons/icons";

import { Language } from "../language/language";
import type { Note } from "./note";
import { NoteEditor } from "./note-editor";
import { NotesStore } from "./notes-store";

/** The notes: search, list, and the editor of one note. */
@Component({
  selector: "app-notes-panel",
  changeDetection: ChangeDetectionStrategy.OnPush,
  imports: [IonButton, IonIcon, IonSearchbar, IonSkeletonText, NoteEditor],
  providers: [NotesStore],
  template: `
    <section aria-labelledby="notes-heading" [attr.aria-busy]="store.loading() === 'loading'">
      <div class="section-head">
        <h2 id="notes-heading">{{ texts().notes.title }}</h2>
        <span class="live" [class.on]="store.live()" [title]="liveHint()">{{ liveText() }}</span>
        <ion-button class="push-end" (click)="edit(null)">
          <ion-icon slot="start" name="add-outline" aria-hidden="true" />{{ texts().notes.add }}
        </ion-button>
      </div>
      @if (store.count() > 0 || store.query()) {
        <ion-searchbar
          mode="md"
          class="flush"
          [debounce]="300"
          [placeholder]="texts().notes.search"
          [attr.aria-label]="texts().notes.search"
          (ionInput)="search($event)"
        />
      }
      @switch (store.loading()) {
        @case ("loading") {
          <div class="note-list" role="status" [attr.aria-label]="texts().common.loading">
            @for (row of [1, 2, 3]; track row) {
              <div class="note placeholder"><ion-skeleton-text animated class="line short" /><ion-skeleton-text animated class="line" /></div>
            }
          </div>
        }
        @case ("failed") {
          <div class="empty-state" role="alert">
            <p>{{ texts().notes.failed }}</p>
            <ion-button fill="outline" (click)="store.load()">{{ texts().common.retry }}</ion-button>
          </div>
        }
        @default {
          <p class="visually-hidden" role="status">{{ texts().notes.count(store.count()) }}</p>
          @if (store.all().length > 0) {
            <ul class="note-list">
              @for (note of store.all(); track note.id) {
                <li>
                  <button type="button" class="note" (click)="edit(note)">
                    <strong>{{ note.title }}</strong>
                    @if (note.body) {
                      <span class="excerpt">{{ excerpt(note) }}</span>
                    }
                    <time [attr.datetime]="note.updated_at">{{ day(note.updated_at) }}</time>
                  </button>
                </li>
              }
            </ul>
            @if (store.hasMore()) {
              <ion-button expand="block" fill="clear" (click)="store.loadMore()">{{ texts().notes.more }}</ion-button>
            }
          } @else if (store.query()) {
            <div class="empty-state">
              <ion-icon name="search-outline" aria-hidden="true" />
              <h3>{{ texts().notes.noMatchTitle }}</h3>
              <p>{{ texts().notes.noMatch(store.query()) }}</p>
            </div>
          } @else {
            <div class="empty-state">
              <ion-icon name="document-text-outline" aria-hidden="true" />
              <h3>{{ texts().notes.emptyTitle }}</h3>
              <p>{{ texts().notes.empty }}</p>
            </div>
          }
        }
      }
    </section>
    @if (editing()) {
      <app-note-editor [note]="edited()" (closed)="editing.set(false)" />
    }
  `,
})
export class NotesPanel {
  protected readonly store = inject(NotesStore);
  protected readonly editing = signal(false);
  protected readonly edited = signal<Note | null>(null);
  private readonly language = inject(Language);
  protected readonly texts = this.language.texts;
  protected readonly liveText = computed(() => this.texts().notes[this.store.live() ? "live" : "notLive"]);
  protected readonly liveHint = computed(() => this.texts().notes[this.store.live() ? "liveHint" : "notLiveHint"]);
  private readonly days = computed(() => new Intl.DateTimeFormat(this.language.locale(), { dateStyle: "medium", timeStyle: "short" }));

  constructor() {
    addIcons({ addOutline, documentTextOutline, searchOutline });
  }

  protected edit(note: Note | null): void {
    this.edited.set(note);
    this.editing.set(true);
  }

  protected search(event: Event): void {
    void this.store.search(String((event.target as HTMLIonSearchbarElement).value ?? "").trim());
  }

  protected excerpt(note: Note): string {
    return note.body.length > 160 ? `${note.body.slice(0, 159).trimEnd()}…` : note.body;
  }

  protected day(time: string): string {
    return this.days().format(new Date(time));
  }
}
