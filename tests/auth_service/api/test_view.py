"""The views and contract/anonymous_endpoints.py agree on which endpoints need no access token."""

from flask import Flask

from auth_service.api.view import ApiView
from contract.anonymous_endpoints import is_anonymous


def test_is_anonymous_agrees_with_the_anonymous_methods_of_every_view(app: Flask) -> None:
    """For each method, with and without the trailing slash."""
    views = {
        rule.rule: view.view_class
        for rule in app.url_map.iter_rules()
        if (view := app.view_functions[rule.endpoint]) and hasattr(view, "view_class")
    }
    assert len(views) > 10
    endpoints = [(method, path, view) for path, view in views.items() for method in ApiView.methods]
    anonymous = {(method, path) for method, path, view in endpoints if method in view.anonymous_methods}
    assert {(method, path) for method, path, _ in endpoints if is_anonymous(method, path)} == anonymous
    assert {(m, p) for m, p, _ in endpoints if is_anonymous(m, p.rstrip("/"))} == anonymous
