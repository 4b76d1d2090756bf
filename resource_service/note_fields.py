"""Decides whether a JSON body holds a note's fields, and which."""

from collections.abc import Mapping
from dataclasses import dataclass

from chassis.json_body import JSON, MalformedJson, parse_json
from contract.problems import Refused
from resource_service.field_errors import invalid_fields


@dataclass(frozen=True, slots=True)
class TextRule:
    """What a text field may hold; `max_length` is in characters."""

    max_length: int
    may_be_blank: bool = False
    default: str | None = None
    """Stands where a new note leaves the field out. None: the field is required."""

    def objection(self, value: JSON) -> str | None:
        """Why `value` is refused, or None."""
        if value is None:
            return "This field may not be null."
        if not isinstance(value, str):
            return "Not a valid string."
        if not self.may_be_blank and not value:
            return "This field may not be blank."
        if len(value) > self.max_length:
            return f"Ensure this field has no more than {self.max_length} characters."
        return None


RULES: Mapping[str, TextRule] = {
    "title": TextRule(max_length=200),
    "body": TextRule(max_length=10_000, may_be_blank=True, default=""),
}


def read_new_note(body: bytes) -> dict[str, str]:
    """Every field of a new note. Raises Refused(400) that names the fields at fault."""
    members = _read_object(body)
    missing = [name for name, rule in RULES.items() if name not in members and rule.default is None]
    given = _given_fields(members, also=dict.fromkeys(missing, "This field is required."))
    defaults = {name: rule.default for name, rule in RULES.items() if rule.default is not None}
    return defaults | given


def read_changes(body: bytes) -> dict[str, str]:
    """The fields that a change of a note gives, perhaps none. Raises Refused(400) that names those at fault."""
    return _given_fields(_read_object(body), also={})


def _read_object(body: bytes) -> dict[str, JSON]:
    try:
        value = parse_json(body)
    except MalformedJson as error:
        if error.field is None:
            raise Refused("bad_body", f"JSON parse error - {error.reason}") from error
        raise invalid_fields({error.field: error.reason}) from error
    if not isinstance(value, dict):
        raise Refused("bad_body", "Expected a JSON object.")
    # Unknown members are ignored, `id` and `owner` among them: neither is the client's to say.
    return {name: _trimmed(name, value[name]) for name in RULES if name in value}


def _trimmed(name: str, value: JSON) -> JSON:
    # A body is kept to the letter: its spaces may mean something.
    return value.strip() if name == "title" and isinstance(value, str) else value


def _given_fields(members: Mapping[str, JSON], *, also: Mapping[str, str]) -> dict[str, str]:
    errors = dict(also)
    given: dict[str, str] = {}
    for name, value in members.items():
        objection = RULES[name].objection(value)
        if objection is not None:
            errors[name] = objection
        elif isinstance(value, str):
            given[name] = value
    if errors:
        raise invalid_fields(errors)
    return given
