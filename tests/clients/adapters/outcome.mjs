// The verbs of a client that keeps its tokens in web storage. `status` reads the status of a response or an error.
// An outcome is {status, body}; {status: 0, error} if there was no response.
export function verbs({ register, logIn, logOut, send, status, isSignedIn }) {
  const outcome = async (work) => {
    try {
      return await work();
    } catch (error) {
      return { status: status(error) ?? 0, error: `${error?.name}: ${error?.message}` };
    }
  };
  return {
    register: (user) => outcome(async () => (await register(user), { status: 201 })),
    logIn: (credentials) => outcome(async () => (await logIn(credentials), { status: 200 })),
    logOut: () => outcome(async () => (await logOut(), { status: 200 })),
    request: ({ method = "GET", path, body }) => outcome(() => send(method, path, body)),
    state: () => ({ signedIn: isSignedIn() }),
  };
}

export const hasTokens = (key = "tokens") => () => localStorage.getItem(key) !== null;
