"""The endpoints under /internal/, which only the gateway may call."""
