"""The edge: HAProxy in front of the gateway, which itself decides requests that need only a valid token."""
