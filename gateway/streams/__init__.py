"""Answers that outlive the moment in which their request was let through."""
