import { authGuard as guardOfUsers, autoLoginGuard as guardOfVisitors } from "@sallyport/client/angular";

/** The first page of a user who is logged in. */
export const HOME = "/home";
/** The page for everybody else. */
export const LOG_IN = "/log-in";
/** The other pages for users, to which a log-in may return. */
const USER_PAGES = ["/sessions", "/settings"];

/** Let only users who are logged in pass. Others come to the log-in page, and from there to the page that they wanted. */
export const authGuard = guardOfUsers(LOG_IN);

/** Let only visitors pass who are not logged in. Users who are logged in need no log-in page. */
export const autoLoginGuard = guardOfVisitors(HOME);

/** Return where a log-in leads: `wanted` if it is a page of this app that needs a log-in, else the home page. */
export function pageAfterLogIn(wanted: unknown): string {
  return USER_PAGES.find((page) => page === wanted) ?? HOME;
}
