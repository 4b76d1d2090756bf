"""HTTP values: requests, header fields, origins. Imports nothing else of the gateway."""
