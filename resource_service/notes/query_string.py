"""Read the query string of a request for a list or an export of notes."""

from urllib.parse import parse_qsl

from pydantic import ValidationError

from resource_service.errors import FIELD_TEXTS, invalid_fields, invalid_model
from resource_service.notes.api_models import NoteQuery


def read_note_query(query_string: bytes) -> NoteQuery:
    """Return the parameters in `query_string`. Raises Refused(400), which names the invalid parameters."""
    try:
        return NoteQuery.model_validate(_parameters(query_string))
    except ValidationError as error:
        raise invalid_model(error) from error


def _parameters(query_string: bytes) -> dict[str, str]:
    # Latin-1 maps every byte to one character and back, so that a value that is not UTF-8 can be detected below.
    # parse_qsl itself would replace its bytes by U+FFFD.
    pairs = parse_qsl(query_string.decode("latin-1"), keep_blank_values=True, encoding="latin-1")
    texts: dict[str, str] = {}
    errors: dict[str, str] = {}
    for name, value in pairs:
        if name not in NoteQuery.model_fields:
            continue
        if name in texts:
            errors[name] = FIELD_TEXTS["repeated"]
        try:
            texts[name] = value.encode("latin-1").decode("utf-8")
        except UnicodeDecodeError:
            errors[name] = FIELD_TEXTS["not_utf8"]
        if "\0" in value:
            errors[name] = FIELD_TEXTS["null_character"]
    if errors:
        raise invalid_fields(errors)
    return texts
