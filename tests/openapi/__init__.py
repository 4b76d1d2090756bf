"""Files that are made from the OpenAPI document: openapi.yaml, requests for .http clients and Bruno, and types."""
