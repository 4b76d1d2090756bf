import { ChangeDetectionStrategy, Component, computed, effect, inject, signal, untracked } from "@angular/core";
import type { ViewDidEnter, ViewWillEnter } from "@ionic/angular";
import { IonButton } from "@ionic/angular/ion-button";
import { IonContent } from "@ionic/angular/ion-content";
import { IonIcon } from "@ionic/angular/ion-icon";
import { IonSkeletonText } from "@ionic/angular/ion-skeleton-text";
import { ApiError, type DeviceSession } from "@sallyport/client";
import { injectClient } from "@sallyport/client/angular";
import { addIcons } from "ionicons";
import { codeSlashOutline, laptopOutline, phonePortraitOutline } from "ionicons/icons";

import { FormState } from "../forms/form-state";
import { Language } from "../language/language";
import type { Loading } from "../notes/notes-store";
import { Session } from "../session/session";
import { Notices } from "../shell/notices";
import { PageHeader } from "../shell/page-header";
import { PageTitle } from "../shell/page-title";
import { deviceOf } from "./device";

const ICONS = { phone: "phone-portrait-outline", computer: "laptop-outline", other: "code-slash-outline" };

/** The devices on which the user is logged in. One of them, or all others, can be logged out. */
@Component({
  selector: "app-sessions-page",
  changeDetection: ChangeDetectionStrategy.OnPush,
  imports: [IonButton, IonContent, IonIcon, IonSkeletonText, PageHeader],
  template: `
    <app-page-header [title]="texts().sessions.title" />
    <ion-content>
      <div class="page-narrow">
        <p class="intro">{{ texts().sessions.intro }}</p>
        @switch (loading()) {
          @case ("loading") {
            <div class="card" role="status" [attr.aria-label]="texts().common.loading">
              <ion-skeleton-text animated class="line short" /><ion-skeleton-text animated class="line" />
            </div>
          }
          @case ("failed") {
            <div class="empty-state" role="alert">
              <p>{{ texts().sessions.failed }}</p>
              <ion-button fill="outline" (click)="load()">{{ texts().common.retry }}</ion-button>
            </div>
          }
          @default {
            <ul class="device-list">
              @for (row of rows(); track row.session.id) {
                <li class="card device" [attr.aria-labelledby]="'device-' + row.session.id">
                  <ion-icon [name]="row.icon" aria-hidden="true" />
                  <div>
                    <h2 [id]="'device-' + row.session.id">
                      {{ row.name }}
                      @if (row.session.current) {
                        <span class="badge">{{ texts().sessions.current }}</span>
                      }
                    </h2>
                    <p>{{ texts().sessions.lastUsed(row.lastUsed) }}</p>
                    <p>{{ texts().sessions.since(row.since) }} · {{ row.session.address }}</p>
                  </div>
                  @if (!row.session.current) {
                    <ion-button fill="outline" size="small" [attr.aria-label]="texts().sessions.endOf(row.name)" (click)="end(row.session.id, row.name)">
                      {{ texts().sessions.end }}
                    </ion-button>
                  }
                </li>
              }
            </ul>
            @if (rows().length > 1) {
              <ion-button expand="block" fill="outline" color="danger" (click)="endOthers()">{{ texts().sessions.others }}</ion-button>
            }
          }
        }
      </div>
    </ion-content>
  `,
})
export class SessionsPage implements ViewWillEnter, ViewDidEnter {
  protected readonly loading = signal<Loading>("loading");
  private readonly sessions = signal<readonly DeviceSession[]>([]);
  private readonly language = inject(Language);
  protected readonly texts = this.language.texts;
  /** What the list shows: this device first, then the others, the last used first. */
  protected readonly rows = computed(() => {
    const times = new Intl.DateTimeFormat(this.language.locale(), { dateStyle: "medium", timeStyle: "short" });
    const ordered = [...this.sessions()].sort(
      (one, other) => Number(other.current) - Number(one.current) || other.last_used_at.localeCompare(one.last_used_at),
    );
    return ordered.map((session) => ({
      session,
      name: this.nameOf(session),
      icon: ICONS[deviceOf(session.device).kind],
      lastUsed: times.format(new Date(session.last_used_at)),
      since: times.format(new Date(session.created_at)),
    }));
  });
  private readonly client = injectClient();
  private readonly session = inject(Session);
  private readonly notices = inject(Notices);
  private readonly pageTitle = inject(PageTitle);
  private readonly form = new FormState({});

  constructor() {
    addIcons({ codeSlashOutline, laptopOutline, phonePortraitOutline });
    effect(() => {
      const id = this.session.userId();
      untracked(() => this.startFor(id));
    });
  }

  ionViewWillEnter(): void {
    this.pageTitle.set((texts) => texts.sessions.title);
  }

  ionViewDidEnter(): void {
    if (this.loading() !== "loading") void this.load();
  }

  /** Read the list from the server. */
  protected async load(): Promise<void> {
    const user = this.session.userId();
    if (this.loading() === "failed") this.loading.set("loading");
    try {
      const sessions = await this.client.sessions.list();
      if (this.session.userId() !== user) return;
      this.sessions.set(sessions);
      this.loading.set("loaded");
    } catch {
      // The page says that it failed, with a button to try again.
      this.loading.set("failed");
    }
  }

  protected async end(id: string, name: string): Promise<void> {
    const { endTitle: title, endText, end: confirm, ended } = this.texts().sessions;
    if (!(await this.notices.confirm({ title, text: endText(name), confirm }))) return;
    await this.act(() => this.client.sessions.end(id), ended);
  }

  protected async endOthers(): Promise<void> {
    const { othersTitle: title, othersText: text, end: confirm, endedOthers } = this.texts().sessions;
    if (!(await this.notices.confirm({ title, text, confirm }))) return;
    await this.act(() => this.client.sessions.endOthers(), endedOthers);
  }

  private async act(request: () => Promise<unknown>, done: string): Promise<void> {
    try {
      await request();
      await this.notices.inform(done);
    } catch (error) {
      // The session has ended already: the list that is read below shows it.
      if (!(error instanceof ApiError && error.status === 404)) {
        this.form.fail(error);
        await this.notices.warn(this.form.message());
      }
    }
    await this.load();
  }

  private nameOf({ device }: DeviceSession): string {
    const { browser, system, userAgent } = deviceOf(device);
    const { on, unknown } = this.texts().sessions;
    return browser && system ? on(browser, system) : browser || system || userAgent || unknown;
  }

  private startFor(userId: string | null): void {
    this.sessions.set([]);
    this.loading.set("loading");
    if (userId !== null) void this.load();
  }
}
