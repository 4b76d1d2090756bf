import type { Routes } from "@angular/router";

import { authGuard, autoLoginGuard } from "./session/guards";

/** The pages. Each has one segment, because index.html is served for every path. */
export const routes: Routes = [
  { path: "", pathMatch: "full", redirectTo: "home" },
  {
    path: "log-in",
    canMatch: [autoLoginGuard],
    loadComponent: () => import("./account/log-in.page").then((page) => page.LogInPage),
  },
  {
    path: "register",
    canMatch: [autoLoginGuard],
    loadComponent: () => import("./account/register.page").then((page) => page.RegisterPage),
  },
  {
    path: "forgotten-password",
    canMatch: [autoLoginGuard],
    loadComponent: () => import("./account/forgotten-password.page").then((page) => page.ForgottenPasswordPage),
  },
  {
    path: "home",
    canMatch: [authGuard],
    loadComponent: () => import("./notes/home.page").then((page) => page.HomePage),
  },
  {
    path: "sessions",
    canMatch: [authGuard],
    loadComponent: () => import("./devices/sessions.page").then((page) => page.SessionsPage),
  },
  {
    path: "settings",
    canMatch: [authGuard],
    loadComponent: () => import("./settings/settings.page").then((page) => page.SettingsPage),
  },
  { path: "**", redirectTo: "home" },
];
