import { bootstrapApplication } from "@angular/platform-browser";

import { App } from "./app/app";
import { providers } from "./app/providers";

void bootstrapApplication(App, { providers: providers(document) });
