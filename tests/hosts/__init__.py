"""Many hosts: network namespaces as hosts, with services in production settings, and faults of hosts and links."""
