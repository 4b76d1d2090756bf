"""What operators see of the gateway: access log, metrics, event-loop lag."""
