"""The OpenAPI description of the API: the decorator above the views, what many views share, and the document."""
