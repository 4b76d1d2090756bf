/** Log-in, sessions and requests for front ends of a Sallyport gateway. */

export type * from "./api-types.js";
export { type Client, type ClientOptions, createClient, type Registration } from "./client.js";
export type { Json, JsonInit } from "./accounts.js";
export type { Clock } from "./clock.js";
export { ApiError, NetworkError, SignedOutError } from "./errors.js";
export type { EventsOptions, EventStream } from "./streams/events.js";
export type { Authorization, Exchange, ExchangeRequest } from "./exchange.js";
export type { SignOutReason } from "./session/keeper.js";
export type { SessionSource, SessionState } from "./session/state.js";
export { type ItemStore, memoryStorage, type SessionStorage, webStorage } from "./session/storage.js";
export type { Answer } from "./transport.js";
export type { WebSocketOptions } from "./streams/web-socket.js";
