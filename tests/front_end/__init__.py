"""The client for front ends (client/packages/client) on a running stack."""
