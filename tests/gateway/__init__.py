"""Tests of the gateway, in the same folders as its code, and the helpers that they share."""
