"""Compile the gateway: a copy of its sources in build/compiled, with mypyc's extension modules beside them."""
