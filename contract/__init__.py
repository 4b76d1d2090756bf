"""What crosses a wire between services: names, claims, records and error codes.

Standard library and PyJWT only, so that a service of any kind can copy it.
"""
