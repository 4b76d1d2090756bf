"""Tests of the OpenAPI description of the auth service."""
