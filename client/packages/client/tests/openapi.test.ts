import { expect, test } from "vitest";
import type { BrowserSession, DeviceSession, LogIn, Register, Ticket, TokenPair, User } from "../src/api-types.js";
import type { components } from "../src/openapi.js";

type Schemas = components["schemas"];

/** Returns a value that is there for the compiler only: `npm run check` compares its type. */
const any = <T>(): readonly T[] => [];

test("the kit's types are those of the OpenAPI document", () => {
  const responses: {
    users: readonly User[];
    tokens: readonly TokenPair[];
    devices: readonly DeviceSession[];
    sessions: readonly BrowserSession[];
    tickets: readonly Ticket[];
  } = {
    users: any<Schemas["auth.UserResponse"]>(),
    tokens: any<Schemas["auth.TokenPairResponse"]>(),
    devices: any<Schemas["auth.SessionResponse"]>(),
    sessions: any<Schemas["SessionResponse"]>(),
    tickets: any<Schemas["TicketResponse"]>(),
  };
  const requests: { logIn: readonly Schemas["auth.LogInRequest"][]; register: readonly Partial<Schemas["auth.RegisterRequest"]>[] } = {
    logIn: any<LogIn>(),
    register: any<Register>(),
  };
  expect(Object.values(responses).flat()).toEqual([]);
  expect(Object.values(requests).flat()).toEqual([]);
});
