/** Time: the wall clock and timers, which tests replace. */

/** The wall clock and timers. */
export interface Clock {
  /** Milliseconds since 1970. The kit never decides about a session by it: users change their clocks. */
  now(): number;
  /** Call `callback` after `milliseconds`. Return a function that cancels it. */
  after(milliseconds: number, callback: () => void): () => void;
}

/** The clock of the platform. Timers are read at the call, so that fake timers of a test apply. */
export const systemClock: Clock = {
  now: () => Date.now(),
  after: (milliseconds, callback) => {
    const timer = setTimeout(callback, milliseconds);
    return () => clearTimeout(timer);
  },
};

/** Resolve after `milliseconds`, or reject with the reason of `signal` as soon as it aborts. */
export function sleep(clock: Clock, milliseconds: number, signal?: AbortSignal | null): Promise<void> {
  return abortable(new Promise((resolve) => clock.after(milliseconds, resolve)), signal);
}

/** Settle like `promise`, or reject with the reason of `signal` as soon as it aborts. */
export function abortable<T>(promise: Promise<T>, signal?: AbortSignal | null): Promise<T> {
  if (!signal) return promise;
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort);
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}

/** Settle like `start(signal)`. After `seconds` abort `signal` and reject, even if `start` ignores the signal. */
export function withDeadline<T>(
  clock: Clock,
  seconds: number,
  start: (signal: AbortSignal) => T | Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  const cancel = clock.after(seconds * 1000, () =>
    controller.abort(new DOMException(`No answer within ${seconds} seconds.`, "TimeoutError")),
  );
  const result = new Promise<T>((resolve) => resolve(start(controller.signal)));
  return abortable(result, controller.signal).finally(cancel);
}
