"""Recorded requests of a client to djoser, their replay, and the comparison of the responses."""
