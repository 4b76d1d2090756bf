"""OpenAPI: describe the views of a Flask service with its pydantic models, and write its OpenAPI 3.1 document."""
