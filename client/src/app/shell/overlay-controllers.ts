/** Ionic's questions and notices. A module of its own, so that the first visit does not load them. */
import { defineCustomElement as defineAlert } from "@ionic/core/components/ion-alert.js";
import { defineCustomElement as defineToast } from "@ionic/core/components/ion-toast.js";

export { alertController, toastController } from "@ionic/core/components";

defineAlert();
defineToast();
