import { computed, inject, signal } from "@angular/core";

import { Language } from "../language/language";
import { type Problem, problemOf } from "./problem";

const NO_PROBLEM: Problem = { fields: {}, message: "" };

/** A field of a form. */
export interface FieldRule {
  readonly required: boolean;
}

/** What a field needs of its form. */
export interface FieldForm {
  errors(): Readonly<Record<string, string | undefined>>;
  edited(field: string): void;
  left(field: string, value: string, changed: boolean): void;
}

/**
 * The state of one form: what is wrong, and whether it is being sent.
 *
 * Values are read from the form's elements when it is sent, because password managers fill fields without the events
 * that a model would need (ionic-framework#23335).
 */
export class FormState<Field extends string> implements FieldForm {
  private readonly language = inject(Language);
  private readonly problem = signal(NO_PROBLEM);

  /** Whether the form is being sent. */
  readonly busy = signal(false);
  /** The text for the whole form, or "". */
  readonly message = computed(() => this.problem().message);
  /** The text of each wrong field. */
  readonly errors = computed<Readonly<Record<string, string | undefined>>>(() => this.problem().fields);

  constructor(private readonly rules: Readonly<Record<Field, FieldRule>>) {}

  /** The names of the fields. */
  get fields(): readonly Field[] {
    return Object.keys(this.rules) as Field[];
  }

  /** Send the form, unless a required field is empty. A refusal is shown, and the first wrong field gets the focus. */
  async submit(event: Event, send: (values: Record<Field, string>) => Promise<void>): Promise<void> {
    event.preventDefault();
    const form = event.target as HTMLFormElement;
    if (this.busy()) return;
    const values = this.valuesOf(form);
    const missing = this.fields.filter((field) => this.rules[field].required && values[field].trim() === "");
    if (missing.length > 0) {
      this.show(this.missing(missing), form);
      return;
    }
    this.reset();
    this.busy.set(true);
    try {
      await send(values);
    } catch (error) {
      this.fail(error, form);
    } finally {
      this.busy.set(false);
    }
  }

  /** Show an error of the server or the network. */
  fail(error: unknown, form?: HTMLFormElement): void {
    const { texts } = this.language;
    const translate = (text: string) => this.language.serverText(text);
    this.show(problemOf(error, { fields: this.fields, texts: texts().errors, translate }), form);
  }

  /** Forget what was wrong. */
  reset(): void {
    this.problem.set(NO_PROBLEM);
  }

  /** Empty the fields of a form that was sent. */
  empty(event: Event): void {
    for (const field of (event.target as HTMLFormElement).querySelectorAll("ion-input, ion-textarea")) {
      (field as HTMLIonInputElement).value = "";
    }
  }

  /** Forget what was wrong with a field, because the user changes it. */
  edited(field: string): void {
    const { [field]: fixed, ...others } = this.problem().fields;
    if (fixed === undefined) return;
    this.problem.set({ fields: others, message: Object.keys(others).length > 0 ? this.message() : "" });
  }

  /** Mark a required field that was left empty after its value was removed. */
  left(field: string, value: string, changed: boolean): void {
    if (!changed || !this.rules[field as Field].required || value.trim() !== "") return;
    this.problem.update(({ fields, message }) => ({
      fields: { ...fields, [field]: this.language.texts().errors.required },
      message,
    }));
  }

  private missing(names: readonly Field[]): Problem {
    const { required, check } = this.language.texts().errors;
    return { fields: Object.fromEntries(names.map((name) => [name, required])), message: check };
  }

  private show(problem: Problem, form?: HTMLFormElement): void {
    this.problem.set(problem);
    const first = this.fields.find((field) => problem.fields[field] !== undefined);
    if (form && first) form.querySelector<HTMLElement>(`[name="${first}"]:is(input, textarea)`)?.focus();
  }

  private valuesOf(form: HTMLFormElement): Record<Field, string> {
    const data = new FormData(form);
    return Object.fromEntries(this.fields.map((field) => [field, String(data.get(field) ?? "").replaceAll("\r\n", "\n")])) as Record<Field, string>;
  }
}
