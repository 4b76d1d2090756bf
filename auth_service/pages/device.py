"""Name the device of a session by its User-Agent, so that its owner recognizes it."""

MAX_NAME = 60
"""Characters of a User-Agent that is shown as it is."""

# The first that occurs counts: other browsers and systems name these as well.
_BROWSERS = (
    ("Edg/", "Edge"),
    ("EdgA/", "Edge"),
    ("EdgiOS/", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Vivaldi/", "Vivaldi"),
    ("FxiOS/", "Firefox"),
    ("Firefox/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chromium/", "Chromium"),
    ("HeadlessChrome/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
_SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("CrOS", "ChromeOS"),
    ("Windows", "Windows"),
    ("Macintosh", "macOS"),
    ("Linux", "Linux"),
)


def browser_and_system(user_agent: str) -> tuple[str, str]:
    """Return the names of the browser and of the operating system; each is empty if it is unknown."""
    if not user_agent.startswith("Mozilla/"):
        return "", ""
    browser = next((name for sign, name in _BROWSERS if sign in user_agent), "")
    system = next((name for sign, name in _SYSTEMS if sign in user_agent), "")
    return browser, system


def short_user_agent(user_agent: str) -> str:
    """Return a User-Agent, shortened."""
    return user_agent if len(user_agent) <= MAX_NAME else f"{user_agent[: MAX_NAME - 1].rstrip()}…"
