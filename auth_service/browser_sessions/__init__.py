"""Sessions that browsers hold by an opaque handle."""
