"""Webhooks: endpoints, messages, signatures, the outbox, and the transport that sends them."""
