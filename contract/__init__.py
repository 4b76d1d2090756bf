"""What crosses a wire between services: header names, claims, records and error codes.

Needs the standard library and PyJWT only, so that any service can copy it.
"""
