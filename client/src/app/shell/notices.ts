import { inject, Injectable } from "@angular/core";

import { Language } from "../language/language";

/** A question that is answered before something cannot be undone. */
export interface Question {
  readonly title: string;
  readonly text: string;
  /** The text of the button that goes on. */
  readonly confirm: string;
  /** The text of the button that does nothing. Default: "Cancel". */
  readonly cancel?: string;
}

interface Overlay {
  dismiss(): Promise<boolean>;
}

/** Short notices and questions over the page. */
@Injectable({ providedIn: "root" })
export class Notices {
  private readonly language = inject(Language);
  private readonly open = new Set<Overlay>();

  /** Show for four seconds that something is done. */
  async inform(message: string): Promise<void> {
    await this.closeAll();
    await this.toast({ message, duration: 4000 });
  }

  /** Show for eight seconds what failed. */
  async warn(message: string): Promise<void> {
    const { close } = this.language.texts().common;
    await this.toast({ message, duration: 8000, color: "danger", buttons: [{ text: close, role: "cancel" }] });
  }

  /** Ask, and return whether the user wants to go on. */
  async confirm({ title, text, confirm, cancel }: Question): Promise<boolean> {
    const { alertController } = await import("./overlay-controllers");
    const alert = await alertController.create({
      header: title,
      message: text,
      buttons: [
        { text: cancel ?? this.language.texts().common.cancel, role: "cancel" },
        { text: confirm, role: "destructive", cssClass: "danger" },
      ],
    });
    this.open.add(alert);
    await alert.present();
    const { role } = await alert.onDidDismiss();
    this.open.delete(alert);
    return role === "destructive";
  }

  /** Close every notice and question: after a log-out they would show data of the user who left. */
  async closeAll(): Promise<void> {
    await Promise.all([...this.open].map((overlay) => overlay.dismiss()));
  }

  private async toast(options: Parameters<typeof import("./overlay-controllers").toastController.create>[0]): Promise<void> {
    const { toastController } = await import("./overlay-controllers");
    const toast = await toastController.create({ position: "bottom", ...options });
    this.open.add(toast);
    void toast.onDidDismiss().then(() => this.open.delete(toast));
    await toast.present();
  }
}
