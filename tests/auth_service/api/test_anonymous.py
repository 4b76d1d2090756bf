"""What the gateway knows of endpoints where anybody may ask is what this service does."""

from flask import Flask

from auth_service.api.view import ApiView
from contract.anonymous import is_anonymous


def test_the_gateway_knows_where_anybody_may_ask(app: Flask) -> None:
    """Of every endpoint and method, with and without the closing slash."""
    views = {
        rule.rule: view.view_class
        for rule in app.url_map.iter_rules()
        if (view := app.view_functions[rule.endpoint]) and hasattr(view, "view_class")
    }
    assert len(views) > 10
    asked = [(method, path, view) for path, view in views.items() for method in ApiView.methods]
    open_here = {(method, path) for method, path, view in asked if method in view.anonymous_methods}
    assert {(method, path) for method, path, _ in asked if is_anonymous(method, path)} == open_here
    assert {(m, p) for m, p, _ in asked if is_anonymous(m, p.rstrip("/"))} == open_here
