"""Every check by its stable name, with what it finds and how it gets its facts."""
