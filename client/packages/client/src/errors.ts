/** The errors of the kit. */

/** The gateway could not be reached, or its answer was lost. Retry later; the session is not affected. */
export class NetworkError extends TypeError {
  override readonly name = "NetworkError";
}

/** The gateway or a service answered with an error status. */
export class ApiError extends Error {
  override readonly name: string = "ApiError";

  constructor(
    /** The HTTP status. */
    readonly status: number,
    /** The machine-readable code of the error, or "" where the server gives none. */
    readonly code: string,
    /** A sentence for the user, as the server sent it. */
    readonly detail: string,
    /** The messages of each field that the server rejected, by the name of the field. */
    readonly fields: Readonly<Record<string, readonly string[]>> = {},
    /** Seconds after which the request may be repeated, or null. */
    readonly retryAfter: number | null = null,
    /** The id of the request in the gateway's log, or "". */
    readonly requestId = "",
  ) {
    super(detail);
  }
}

/** The request needs a user, and nobody is signed in any more. */
export class SignedOutError extends ApiError {
  override readonly name = "SignedOutError";
}

/** Return the members of a JSON object; none if `text` is something else, for example a proxy's page. */
export function jsonObject(text: string): Record<string, unknown> {
  try {
    return Object(JSON.parse(text));
  } catch {
    return {};
  }
}

/** Return the error that `response` reports: djoser's shape `{field: [...]}`, or problem details (RFC 9457). */
export async function apiErrorOf(response: Response, retryAfter: number | null, signedOut: boolean): Promise<ApiError> {
  const body = jsonObject(await response.text().catch(() => ""));
  const fields: Record<string, string[]> = {};
  for (const [name, value] of Object.entries(Object(body["errors"] ?? body))) {
    if (Array.isArray(value) && value.every((message) => typeof message === "string")) fields[name] = value;
  }
  const detail = body["detail"] ?? body["title"] ?? Object.values(fields)[0]?.[0] ?? `The server answered ${response.status}.`;
  const ErrorType = signedOut ? SignedOutError : ApiError;
  return new ErrorType(
    response.status,
    String(body["code"] ?? ""),
    String(detail),
    fields,
    retryAfter,
    response.headers.get("x-request-id") ?? "",
  );
}
