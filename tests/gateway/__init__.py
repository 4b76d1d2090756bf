"""What the gateway promises: a file a stage, then the whole of it over real sockets."""
