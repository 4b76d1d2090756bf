"""Tests of the API description of the gateway."""
