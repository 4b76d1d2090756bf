/** A note, as the resource service returns it. Times are ISO 8601. */
export interface Note {
  readonly id: string;
  readonly title: string;
  readonly body: string;
  readonly created_at: string;
  readonly updated_at: string;
}

/** One page of notes, newest first. */
export interface NotePage {
  readonly count: number;
  readonly next: string | null;
  readonly results: readonly Note[];
}

/** What a user writes into a note. */
export interface NoteDraft {
  readonly title: string;
  readonly body: string;
}

/** Whether a note is among those that a search for `query` selects. */
export function matches(note: Note, query: string): boolean {
  const words = query.trim().toLowerCase();
  return note.title.toLowerCase().includes(words) || note.body.toLowerCase().includes(words);
}
