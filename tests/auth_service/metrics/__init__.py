"""Tests of the metrics of the auth service."""
