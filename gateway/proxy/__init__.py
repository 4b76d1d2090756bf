"""Carry an admitted request to its upstream and the response back, streams and WebSockets included."""
