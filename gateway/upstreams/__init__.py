"""The upstreams: load balancing, health checks, outlier detection, circuit breaking and name resolution."""
