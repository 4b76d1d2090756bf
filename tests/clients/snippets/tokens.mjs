// Both tokens are one value. A page that is closed between two writes would otherwise keep an old refresh token.
export const tokens = {
  read: () => JSON.parse(localStorage.getItem("tokens") ?? "{}"),
  write: ({ access, refresh }) => localStorage.setItem("tokens", JSON.stringify({ access, refresh })),
  clear: () => localStorage.removeItem("tokens"),
};
