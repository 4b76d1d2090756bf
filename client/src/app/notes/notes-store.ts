import { computed, DestroyRef, effect, inject, Injectable, signal, untracked } from "@angular/core";
import { ApiError } from "@sallyport/client";
import { injectClient } from "@sallyport/client/angular";

import { Session } from "../session/session";
import { matches, type Note, type NoteDraft, type NotePage } from "./note";

/** What a list shows: nothing yet, its entries, or that they could not be read. */
export type Loading = "loading" | "loaded" | "failed";

/**
 * The notes of the user who is logged in, as the server has them.
 *
 * Follows the event stream, so changes of other devices appear. Holds nothing of an earlier user: another user or a
 * log-out empties it, and answers that come later are dropped.
 */
@Injectable()
export class NotesStore {
  private readonly client = injectClient();
  private readonly session = inject(Session);
  private readonly notes = signal<readonly Note[]>([]);
  private readonly total = signal(0);
  private readonly nextPage = signal<number | null>(null);
  /** Ids of deleted notes: a late answer must not bring one back. */
  private readonly deleted = new Set<string>();
  /** Notes that changed since the list was last asked for: its answer may be older, so they are applied to it. */
  private readonly changed = new Map<string, Note>();
  /** Ends the requests and the stream of one user. */
  private work = new AbortController();
  /** Ends the list request that a newer one replaces. */
  private listing = new AbortController();

  /** The notes, newest first. */
  readonly all = this.notes.asReadonly();
  /** How many notes the search selects, those included that are not loaded yet. */
  readonly count = this.total.asReadonly();
  /** Whether the list is loaded. */
  readonly loading = signal<Loading>("loading");
  private readonly streaming = signal(false);
  /** Whether changes of other devices arrive. A stream notices a lost network long after the device does. */
  readonly live = computed(() => this.streaming() && !this.session.offline() && !this.session.unreachable());
  /** What is searched for; "" selects every note. */
  readonly query = signal("");
  /** Whether there are more notes than those that are loaded. */
  readonly hasMore = computed(() => this.nextPage() !== null);

  constructor() {
    effect(() => {
      const id = this.session.userId();
      untracked(() => this.startFor(id));
    });
    inject(DestroyRef).onDestroy(() => this.clear());
  }

  /** Search titles and texts. */
  search(query: string): Promise<void> {
    this.query.set(query);
    return this.load();
  }

  /** Read the list again. */
  async load(): Promise<void> {
    this.changed.clear();
    const loaded = await this.readPage(1);
    if (!loaded) return;
    this.notes.set(loaded.results.filter((note) => !this.deleted.has(note.id)));
    this.total.set(loaded.count);
    this.nextPage.set(loaded.next ? 2 : null);
    for (const note of this.changed.values()) this.apply(note);
    this.loading.set("loaded");
  }

  /** Read the next notes of the list. */
  async loadMore(): Promise<void> {
    const page = this.nextPage();
    if (page === null) return;
    const loaded = await this.readPage(page);
    if (!loaded) return;
    for (const note of loaded.results) this.put(note, false);
    this.total.set(loaded.count);
    this.nextPage.set(loaded.next ? page + 1 : null);
  }

  /** Create a note, or change the one with `id`. Rejects with the error of the server. */
  async save(draft: NoteDraft, id?: string): Promise<Note> {
    const { signal } = this.work;
    const note = id
      ? await this.client.json<Note>(`/api/notes/${id}/`, { method: "PATCH", json: draft, signal })
      : await this.client.json<Note>("/api/notes/", { json: draft, signal });
    if (signal.aborted) return note;
    this.changed.set(note.id, note);
    this.put(note, !id);
    return note;
  }

  /** Delete a note. Rejects with the error of the server; a note that is gone already counts as deleted. */
  async delete(id: string): Promise<void> {
    const { signal } = this.work;
    try {
      await this.client.json(`/api/notes/${id}/`, { method: "DELETE", signal });
    } catch (error) {
      if (!(error instanceof ApiError && error.status === 404)) throw error;
    }
    if (!signal.aborted) this.drop(id);
  }

  private startFor(userId: string | null): void {
    this.clear();
    if (userId === null) return;
    this.work = new AbortController();
    void this.load();
    this.follow(this.work.signal);
  }

  private clear(): void {
    this.work.abort();
    this.listing.abort();
    this.notes.set([]);
    this.total.set(0);
    this.nextPage.set(null);
    this.deleted.clear();
    this.changed.clear();
    this.query.set("");
    this.loading.set("loading");
    this.streaming.set(false);
  }

  private follow(signal: AbortSignal): void {
    const put = (event: MessageEvent<string>) => this.received(JSON.parse(event.data) as Note);
    this.client.events("/api/notes/events", {
      signal,
      on: {
        created: put,
        changed: put,
        deleted: (event) => this.drop((JSON.parse(event.data) as { id: string }).id),
        reset: () => void this.load(),
      },
      onOpen: (resumed) => {
        this.streaming.set(true);
        // What changed before a connection that does not resume, and since a list that failed, is in no event.
        if (!resumed || this.loading() === "failed") void this.load();
      },
      onError: () => this.streaming.set(false),
    });
  }

  private received(note: Note): void {
    this.changed.set(note.id, note);
    this.apply(note);
  }

  /** Take over a version of a note: show it if the search selects it, unless the list has a newer one. */
  private apply(note: Note): void {
    const present = this.notes().find(({ id }) => id === note.id);
    if (present && present.updated_at > note.updated_at) return;
    if (matches(note, this.query())) this.put(note, !present);
    else this.remove(note.id);
  }

  /** Put a note into the list, unless the list has a newer one. `isNew` also counts it. */
  private put(note: Note, isNew: boolean): void {
    if (this.deleted.has(note.id)) return;
    const present = this.notes().find(({ id }) => id === note.id);
    if (present && present.updated_at > note.updated_at) return;
    const others = this.notes().filter(({ id }) => id !== note.id);
    this.notes.set([...others, note].sort((one, other) => other.created_at.localeCompare(one.created_at)));
    if (isNew && !present) this.total.update((count) => count + 1);
  }

  private drop(id: string): void {
    this.deleted.add(id);
    this.remove(id);
  }

  private remove(id: string): void {
    if (!this.notes().some((note) => note.id === id)) return;
    this.notes.update((notes) => notes.filter((note) => note.id !== id));
    this.total.update((count) => Math.max(0, count - 1));
  }

  private async readPage(page: number): Promise<NotePage | null> {
    this.listing.abort();
    this.listing = new AbortController();
    const signal = AbortSignal.any([this.work.signal, this.listing.signal]);
    const parameters = new URLSearchParams({ page: String(page) });
    if (this.query()) parameters.set("q", this.query());
    try {
      const loaded = await this.client.json<NotePage>(`/api/notes/?${parameters}`, { signal });
      return signal.aborted ? null : loaded;
    } catch {
      // The list shows that it failed, with a button to try again. It is read again when the stream opens.
      if (!signal.aborted && (page === 1 || this.loading() !== "loaded")) this.loading.set("failed");
      return null;
    }
  }
}
