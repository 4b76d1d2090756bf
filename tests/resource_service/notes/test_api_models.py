"""Every validation error of a request model has a text, and every model a complete JSON Schema."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from contract.problems import Refused
from resource_service.errors import invalid_model
from resource_service.notes.api_models import (
    DeletedNote,
    NewNote,
    NoteChanges,
    NotePageResponse,
    NoteQuery,
    NoteResponse,
)
from resource_service.whoami import WhoAmIResponse

REQUESTS = [NewNote, NoteChanges, NoteQuery]
RESPONSES = [DeletedNote, NotePageResponse, NoteResponse, WhoAmIResponse]
TEXT = st.text(st.characters(codec=None))
VALUES: st.SearchStrategy[object] = st.none() | st.booleans() | st.integers() | TEXT | st.just([]) | st.just({})


@given(model=st.sampled_from(REQUESTS), data=st.data())
def test_every_validation_error_is_a_400_with_a_text(model: type[BaseModel], data: st.DataObject) -> None:
    members = data.draw(st.dictionaries(st.sampled_from([*model.model_fields, "unknown"]), VALUES))
    refused: Refused | None = None
    try:
        model.model_validate(members)
    except ValidationError as error:
        refused = invalid_model(error)  # raises KeyError for an error type without text
    assert refused is None or refused.status == 400


@pytest.mark.parametrize("model", [*REQUESTS, *RESPONSES], ids=lambda model: model.__name__)
def test_every_model_has_a_description_and_every_field_an_example_or_a_model(model: type[BaseModel]) -> None:
    schema = model.model_json_schema(mode="serialization" if model in RESPONSES else "validation")
    assert schema["description"]
    for name, field in schema["properties"].items():
        assert "examples" in str(field) or "$ref" in str(field), name


def test_a_field_that_a_change_may_omit_has_no_default_in_the_schema() -> None:
    assert "default" not in str(NoteChanges.model_json_schema()["properties"])
    assert NoteChanges.model_validate({"body": "", "unknown": 1}).given_fields() == {"body": ""}
