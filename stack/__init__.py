"""Run the whole system on one machine: what `make run` starts and stops."""
