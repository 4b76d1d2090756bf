"""Check a running deployment for faults, and say for each what causes it and what cures it."""
