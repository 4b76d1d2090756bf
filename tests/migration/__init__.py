"""Tests with a real Django server, whose users and tokens move to the auth service: `make test-migration`."""
