"""Run the whole system on one machine: `make run` starts it, Ctrl-C stops it."""
