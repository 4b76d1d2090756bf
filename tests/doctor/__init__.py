"""Doctor finds planted faults, and nothing else."""
