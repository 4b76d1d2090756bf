"""Notes: the smallest real service that trusts the gateway, and the template for yours."""
