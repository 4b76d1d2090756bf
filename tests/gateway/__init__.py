"""Tests of the gateway: a folder for each of its rooms, and the helpers that they share."""
