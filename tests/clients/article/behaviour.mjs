// A test double of the article's Ionic client: its interceptor, its services and its guards, with their defects.
// It is not the original. docs/clients/article.md describes what it reproduces and how it was compared.

// The BehaviorSubject of RxJS, as far as the client uses it.
class BehaviorSubject {
  #waiting = [];
  constructor(value) {
    this.value = value;
  }
  next(value) {
    this.value = value;
    this.#waiting = this.#waiting.filter(({ accepts, resolve }) => !(accepts(value) && (resolve(value), true)));
  }
  first(accepts) {
    if (accepts(this.value)) return Promise.resolve(this.value);
    return new Promise((resolve) => this.#waiting.push({ accepts, resolve }));
  }
}

// Angular's HttpClient: JSON both ways; anything but 2xx is an error; status 0 stands for no response.
export class HttpError extends Error {
  name = "HttpErrorResponse";
  constructor(status, body) {
    super(`status ${status}`);
    this.status = status;
    this.error = body;
  }
}

async function handle({ method, url, headers, body }) {
  const init = { method, headers: { Accept: "application/json, text/plain, */*", ...headers } };
  if (body !== undefined) init.body = JSON.stringify(body);
  const response = await fetch(url, init).catch(() => {
    throw new HttpError(0);
  });
  const text = await response.text();
  const value = text ? JSON.parse(text) : null;
  if (!response.ok) throw new HttpError(response.status, value);
  return value;
}

// The prefix of Capacitor 2 in web storage, and the name in the client's configuration.
export const APP = "_cap_TemplateGenerated";

export class Client {
  token = "";
  refresh = "";
  currentUser = null;
  route = "";
  isAuthenticated = new BehaviorSubject(null);
  #refreshingInProgress = false;
  #accessToken = new BehaviorSubject(null);

  constructor(gateway, storage) {
    this.gateway = gateway;
    this.storage = storage; // the keys and forms of Capacitor Storage
    this.#loadTokens();
  }

  #loadTokens() {
    const access = this.#stored("access");
    if (!access) {
      this.isAuthenticated.next(false);
      return;
    }
    this.token = access.access;
    this.refresh = this.#stored("refresh").refresh;
    this.isAuthenticated.next(true);
  }

  #stored(key) {
    const value = this.storage.getItem(`${APP}-${key}`);
    return value ? JSON.parse(value) : null;
  }

  #store(key, value) {
    this.storage.setItem(`${APP}-${key}`, JSON.stringify(value));
  }

  // ---- the interceptor: every request, log-in and refresh too, carries the token in memory, stale or not
  async #intercept(request) {
    const token = this.token;
    try {
      return await handle(this.#authorized(request, token));
    } catch (error) {
      if (request.url.includes("/refresh")) return this.#logoutAndRedirect(error); // whatever the status
      if (error.status === 401) {
        if (this.refresh && token) return this.#refreshAndRepeat(request);
        return this.#logoutAndRedirect(error);
      }
      if (error.status === 403) return this.#logoutAndRedirect(error);
      throw error;
    }
  }

  #authorized(request, token) {
    return token ? { ...request, headers: { ...request.headers, Authorization: `Bearer ${token}` } } : request;
  }

  async #refreshAndRepeat(request) {
    if (this.#refreshingInProgress) {
      // If the refresh fails, nothing ends this wait.
      const token = await this.#accessToken.first((value) => value !== null);
      return handle(this.#authorized(request, token));
    }
    this.#refreshingInProgress = true; // stays true after a failure
    this.#accessToken.next(null);
    try {
      const pair = await this.#postRefresh();
      this.#refreshingInProgress = false;
      this.token = pair.access;
      this.refresh = pair.refresh;
      this.#accessToken.next(pair.access);
      return await handle(this.#authorized(request, pair.access));
    } catch (error) {
      return this.#logoutAndRedirect(error); // an error of the repeated request too
    }
  }

  async #postRefresh() {
    const pair = await this.http("POST", "/auth/jwt/refresh/", { refresh: this.refresh });
    this.#store("access", { access: pair.access });
    this.#store("refresh", { refresh: pair.refresh });
    return pair;
  }

  #logoutAndRedirect(error) {
    void this.logoutUser();
    this.route = "/login";
    throw error;
  }

  // ---- the services
  http(method, path, body) {
    return this.#intercept({ method, url: this.gateway + path, headers: { "Content-Type": "application/json" }, body });
  }

  async login(credentials) {
    const pair = await this.http("POST", "/auth/jwt/create/", credentials).catch(() => null);
    if (!pair) return false;
    this.#store("access", { access: pair.access });
    this.#store("refresh", { refresh: pair.refresh });
    this.token = pair.access;
    this.refresh = pair.refresh;
    this.isAuthenticated.next(true);
    return true;
  }

  async getUser() {
    const cached = this.storage.getItem(`${APP}_currentUser`);
    if (cached) return (this.currentUser = JSON.parse(cached));
    const user = await this.http("GET", "/auth/users/me/").catch(() => null);
    if (user) this.#setUser(user);
    return user;
  }

  #setUser(user) {
    this.currentUser = user;
    this.storage.setItem(`${APP}_currentUser`, JSON.stringify(user));
  }

  // Does not resolve: the promise of the first removal does not. The refresh token and the user stay stored, and both
  // tokens stay in memory. The server is not told.
  async logoutUser() {
    this.isAuthenticated.next(false);
    this.storage.removeItem(`${APP}-access`);
    await new Promise(() => {});
  }

  // ---- the pages
  async createAccount({ email, password, first_name, last_name }, path) {
    const user = await this.http("POST", path, { email, password, first_name, last_name }).catch((error) => {
      this.alert = error.status === 400 ? "An account already exists with this email" : "A technical error occured";
      throw error;
    });
    this.#setUser(user);
    if (await this.login({ email, password })) this.route = "/home";
    return user;
  }

  async logInPage(credentials) {
    const right = await this.login(credentials);
    if (right) this.route = "/home";
    else this.alert = "Unable to authenticate";
    return right;
  }

  // ---- the guards
  async authGuard() {
    const authenticated = await this.isAuthenticated.first((value) => value !== null);
    if (authenticated) void this.getUser();
    else this.route = "/login";
    return authenticated;
  }

  async autoLoginGuard() {
    if (!(await this.isAuthenticated.first((value) => value !== null))) return true;
    await this.getUser();
    this.route = "/home";
    return undefined;
  }
}
