"""What crosses a wire between services: header names, claims, records and error codes.

Needs the standard library, PyJWT and cryptography only, so that any service can copy it.
"""
