"""The app of `client/` in Chromium, served by a running gateway at /app/."""
