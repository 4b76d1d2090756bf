"""Tests of the edge. HAProxy runs with stand-ins for the gateway and the service."""
