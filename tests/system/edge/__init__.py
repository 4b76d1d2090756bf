"""System tests through the edge: HAProxy, which decides requests itself, in front of the real stack."""
