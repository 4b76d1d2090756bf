import { ApiError, NetworkError, SignedOutError } from "@sallyport/client";

import type { Texts } from "../language/texts";

/** What a form shows after a refusal. */
export interface Problem {
  /** A text for each field that the server named. */
  readonly fields: Readonly<Record<string, string>>;
  /** A text for the whole form, or "". */
  readonly message: string;
}

/** How to show an error: the fields of the form, the texts, and the translation of the server's texts. */
export interface Wording {
  readonly fields: readonly string[];
  readonly texts: Texts["errors"];
  readonly translate: (text: string) => string;
}

/**
 * Describe an error to the user: by field as the server names them, else in one sentence.
 *
 * A 403 is a refusal of this request and leaves the user logged in. Errors that are no refusal (bugs) are thrown again.
 */
export function problemOf(error: unknown, { fields, texts, translate }: Wording): Problem {
  if (error instanceof NetworkError) return { fields: {}, message: texts.network };
  if (error instanceof SignedOutError && error.code !== "") return { fields: {}, message: texts.ended };
  if (!(error instanceof ApiError)) throw error;
  const byField: Record<string, string> = {};
  const others: string[] = [];
  for (const [name, messages] of Object.entries(error.fields)) {
    const text = messages.map(translate).join(" ");
    if (fields.includes(name)) byField[name] = text;
    else others.push(text);
  }
  if (others.length > 0) return { fields: byField, message: others.join(" ") };
  if (Object.keys(byField).length > 0) return { fields: byField, message: texts.check };
  return { fields: {}, message: sentence(error, texts, translate) };
}

function sentence(error: ApiError, texts: Texts["errors"], translate: (text: string) => string): string {
  if (error.status === 429) return texts.tooMany(error.retryAfter);
  if (error.status === 503) return texts.busy;
  if (error.status >= 500) return texts.technical;
  if (error.status === 404) return texts.notFound;
  if (error.status === 403) return texts.forbidden;
  return error.detail ? translate(error.detail) : texts.technical;
}
