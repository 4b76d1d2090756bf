"""Child processes: start, supervise and stop them, and show their output."""
