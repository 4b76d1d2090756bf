"""The notes service: the template for a service behind the gateway."""
