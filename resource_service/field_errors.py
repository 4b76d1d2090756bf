"""Owns how a refusal names the fields at fault."""

from collections.abc import Mapping

from contract.problems import Refused


def invalid_fields(errors: Mapping[str, str]) -> Refused:
    """The refusal (400) that gives each field of `errors` its reason, in `errors` and, for people, in `detail`."""
    detail = "; ".join(f"{name}: {reason}" for name, reason in errors.items())
    return Refused("invalid_fields", detail, extra={"errors": {name: [reason] for name, reason in errors.items()}})
