"""The contract run: schemathesis compares the responses of a running stack with its OpenAPI document."""
