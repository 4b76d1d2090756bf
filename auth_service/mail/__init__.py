"""Mail: the outbox, the messages, and the transports that send them."""
