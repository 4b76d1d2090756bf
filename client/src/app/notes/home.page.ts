import { ChangeDetectionStrategy, Component, computed, inject } from "@angular/core";
import { RouterLink } from "@angular/router";
import type { ViewWillEnter } from "@ionic/angular";
import { IonButton } from "@ionic/angular/ion-button";
import { IonButtons } from "@ionic/angular/ion-buttons";
import { IonContent } from "@ionic/angular/ion-content";
import { IonHeader } from "@ionic/angular/ion-header";
import { IonIcon } from "@ionic/angular/ion-icon";
import { IonRouterLink } from "@ionic/angular/ion-router-link";
import { IonSkeletonText } from "@ionic/angular/ion-skeleton-text";
import { IonToolbar } from "@ionic/angular/ion-toolbar";
import { injectClient } from "@sallyport/client/angular";
import { addIcons } from "ionicons";
import { laptopOutline, logOutOutline, settingsOutline } from "ionicons/icons";

import { Language } from "../language/language";
import { Session } from "../session/session";
import { PageTitle } from "../shell/page-title";
import { NotesPanel } from "./notes-panel";

/** The first page: who is logged in, and the notes. */
@Component({
  selector: "app-home-page",
  changeDetection: ChangeDetectionStrategy.OnPush,
  imports: [
    IonButton,
    IonButtons,
    IonContent,
    IonHeader,
    IonIcon,
    IonRouterLink,
    IonSkeletonText,
    IonToolbar,
    NotesPanel,
    RouterLink,
  ],
  template: `
    <ion-header>
      <ion-toolbar>
        <!-- No ion-title: iOS centres it, behind the buttons. -->
        <span class="brand-line" slot="start"><img src="favicon.svg" alt="" width="26" height="26" />{{ texts().siteName }}</span>
        <ion-buttons slot="end">
          <ion-button routerLink="/sessions" routerDirection="forward" [attr.aria-label]="texts().home.devices">
            <ion-icon slot="start" name="laptop-outline" aria-hidden="true" />
            <span class="wide-only" aria-hidden="true">{{ texts().home.devices }}</span>
          </ion-button>
          <ion-button routerLink="/settings" routerDirection="forward" [attr.aria-label]="texts().home.settings">
            <ion-icon slot="start" name="settings-outline" aria-hidden="true" />
            <span class="wide-only" aria-hidden="true">{{ texts().home.settings }}</span>
          </ion-button>
          <ion-button (click)="logOut()" [attr.aria-label]="texts().common.logOut">
            <ion-icon slot="start" name="log-out-outline" aria-hidden="true" />
            <span class="wide-only" aria-hidden="true">{{ texts().common.logOut }}</span>
          </ion-button>
        </ion-buttons>
      </ion-toolbar>
    </ion-header>
    <ion-content>
      <div class="page-columns">
        <h1 class="visually-hidden" tabindex="-1">{{ texts().home.title }}</h1>
        <section class="card" aria-labelledby="about-heading">
          <h2 id="about-heading">{{ texts().home.about }}</h2>
          @if (user(); as user) {
            <dl class="facts">
              <dt>{{ texts().home.name }}</dt>
              <dd [class.muted]="!name()">{{ name() || texts().home.noName }}</dd>
              <dt>{{ texts().common.email }}</dt>
              <dd>{{ user.email }}</dd>
              <dt>{{ texts().home.id }}</dt>
              <dd class="code">{{ user.id }}</dd>
            </dl>
          } @else {
            <div [attr.aria-label]="texts().common.loading" role="status">
              <ion-skeleton-text animated class="line" /><ion-skeleton-text animated class="line short" />
            </div>
          }
        </section>
        <app-notes-panel />
      </div>
    </ion-content>
  `,
})
export class HomePage implements ViewWillEnter {
  protected readonly user = inject(Session).user;
  protected readonly name = computed(() => {
    const user = this.user();
    return user ? `${user.first_name} ${user.last_name}`.trim() : "";
  });
  protected readonly texts = inject(Language).texts;
  private readonly client = injectClient();
  private readonly pageTitle = inject(PageTitle);

  constructor() {
    addIcons({ laptopOutline, logOutOutline, settingsOutline });
  }

  ionViewWillEnter(): void {
    this.pageTitle.set((texts) => texts.home.title);
  }

  protected async logOut(): Promise<void> {
    await this.client.logOut();
  }
}
