"""The OpenAPI document of the whole system, joined from those of gateway and services, and the page that shows it."""
