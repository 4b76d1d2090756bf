/** @vitest-environment jsdom */
/** The React hook: in StrictMode, on a server, and when the session changes. */

import { act, createElement, StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { renderToString } from "react-dom/server";
import { expect, test, vi } from "vitest";

import type { Client } from "../src/index.js";
import { useSession } from "../src/adapters/react.js";
import { ANN, setUp, signedIn } from "./support/clients.js";

vi.stubGlobal("IS_REACT_ACT_ENVIRONMENT", true);

function Who({ client, renders }: { client: Client; renders?: () => void }) {
  const { status, user } = useSession(client);
  renders?.();
  return createElement("p", null, `${status} ${user?.email ?? "nobody"}`);
}

test("a component shows the session and its changes, in StrictMode as well", async () => {
  const { client } = await setUp();
  const renders = vi.fn();
  const place = document.createElement("div");
  const root = createRoot(place);
  await act(async () => root.render(createElement(StrictMode, null, createElement(Who, { client, renders }))));
  expect(place.textContent).toBe("signed-out nobody");
  await act(async () => void (await client.logIn(ANN)));
  expect(place.textContent).toBe(`signed-in ${ANN.email}`);
  const before = renders.mock.calls.length;
  await act(async () => void (await client.fetch("/api/notes/")));
  expect(renders.mock.calls.length).toBe(before);
  await act(async () => void (await client.logOut()));
  expect(place.textContent).toBe("signed-out nobody");
  await act(async () => root.unmount());
  await client.logIn(ANN);
  expect(place.textContent).toBe("");
});

test("on a server the page of nobody in particular is rendered", async () => {
  const { client } = await signedIn();
  expect(renderToString(createElement(Who, { client }))).toBe("<p>loading nobody</p>");
});
