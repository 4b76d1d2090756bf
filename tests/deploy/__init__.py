"""Tests of docker-compose.yml with a Docker engine of their own."""
