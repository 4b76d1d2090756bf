import { expect, test } from "vitest";

import { SessionStateHolder } from "../src/session-state.js";

test("the state is the same object until something changes", () => {
  const state = new SessionStateHolder();
  state.update({ status: "signed-out" });
  const before = state.current;
  state.update({ status: "signed-out", offline: false });
  expect(state.current).toBe(before);
  state.update({ offline: true });
  expect(state.current).toEqual({ status: "signed-out", offline: true, user: null });
});
