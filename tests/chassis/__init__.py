"""What every process is built on."""
