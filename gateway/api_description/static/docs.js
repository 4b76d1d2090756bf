// Shows /openapi.json with Swagger UI, and makes "Try it out" work with a token and with the session cookie.
"use strict";

const SAFE_METHODS = ["GET", "HEAD", "OPTIONS"];
const LOG_IN = "/auth/jwt/create/";
const REFRESH = "/auth/jwt/refresh/";

// The system's choice of colours, which Swagger UI does not follow by itself.
const dark = matchMedia("(prefers-color-scheme: dark)");
const applyColours = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", applyColours);
applyColours();

// With an access token no cookie is sent: the gateway refuses credentials in two places. Without one, the cookie
// authenticates the request, and a request that changes something needs a header that pages of other sites cannot send.
function prepareRequest(request) {
  if (request.headers.Authorization) {
    request.credentials = "omit";
  } else if (!SAFE_METHODS.includes((request.method || "GET").toUpperCase())) {
    request.headers["X-Requested-With"] = "docs";
  }
  return request;
}

// After a log-in with tokens, the page sends the new access token.
function useNewToken(response) {
  const path = new URL(response.url, location.href).pathname;
  if (response.ok && (path === LOG_IN || path === REFRESH) && response.obj && response.obj.access) {
    viewer.preauthorizeApiKey("accessToken", response.obj.access);
  }
  return response;
}

// Swagger UI's headings skip a level, and some of its fields have no name. Screen readers get what is missing.
function completeNames() {
  document.querySelector(".information-container")?.setAttribute("role", "region");
  document.querySelector(".information-container")?.setAttribute("aria-label", "About this API");
  document.querySelector(".filter-container")?.setAttribute("role", "search");
  for (const heading of document.querySelectorAll("h3.opblock-tag:not([aria-level])")) {
    heading.setAttribute("role", "heading");
    heading.setAttribute("aria-level", "2");
  }
  for (const heading of document.querySelectorAll("h4:not([aria-level]), h5:not([aria-level])")) {
    heading.setAttribute("role", "heading");
    heading.setAttribute("aria-level", "3");
  }
  for (const field of document.querySelectorAll("select, textarea, input:not([type=hidden])")) {
    if (!field.labels?.length && !field.getAttribute("aria-label")) {
      field.setAttribute("aria-label", nameOf(field));
    }
  }
  for (const scrolled of document.querySelectorAll(".opblock-body pre:not([tabindex]), .highlight-code:not([tabindex])")) {
    scrolled.setAttribute("tabindex", "0");
  }
}

function nameOf(field) {
  const row = field.closest("tr[data-param-name]");
  if (row) {
    return row.dataset.paramName;
  }
  return field.matches(".operation-filter-input") ? "Filter by tag" : field.tagName === "SELECT" ? "Choice" : "Body";
}

new MutationObserver(completeNames).observe(document.getElementById("api"), { childList: true, subtree: true });

// The document has one server: the gateway itself.
const withoutServers = () => ({ wrapComponents: { ServersContainer: () => () => null } });

const viewer = SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#api",
  docExpansion: "list",
  filter: true,
  defaultModelsExpandDepth: 0,
  displayRequestDuration: true,
  tryItOutEnabled: true,
  validatorUrl: null,
  plugins: [withoutServers],
  requestInterceptor: prepareRequest,
  responseInterceptor: useNewToken,
});
