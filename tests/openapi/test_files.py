"""openapi.yaml, and the requests that are made from it, are those of the present code."""

from openapi_spec_validator import validate

from stack.plan import ROOT
from tests.openapi.document import joined_document
from tests.openapi.files import generated_files, outdated_files


def test_the_joined_document_is_valid() -> None:
    """The document of the gateway, with those of the services, is valid OpenAPI 3.1."""
    validate(joined_document())


def test_every_operation_describes_its_responses_with_examples() -> None:
    """Each response says what it is, and one with a body has an example."""
    document = joined_document()
    shared = document["components"]["responses"]
    lacking = []
    for path, item in document["paths"].items():
        for method, operation in item.items():
            for status, response in operation["responses"].items():
                found = shared[response["$ref"].rpartition("/")[2]] if "$ref" in response else response
                contents = found.get("content", {}).values()
                if not found["description"] or not all(
                    body.get("examples") or "example" in body for body in contents
                ):
                    lacking.append(f"{method} {path} {status}")
    assert not lacking


def test_every_reference_has_a_target() -> None:
    """No operation was left out because of a broken reference: each described view is in the document."""
    operations = {
        operation["operationId"] for item in joined_document()["paths"].values() for operation in item.values()
    }
    assert {"postLogIn", "openSession", "issueTicket", "listNotes", "whoami", "putUserRoles"} <= operations


def test_the_files_in_the_repository_are_those_of_the_code() -> None:
    """After a change of the API, `make openapi` writes them again."""
    outdated = [
        str(file.relative_to(ROOT))
        for file, text in generated_files().items()
        if not file.exists() or file.read_text(encoding="utf-8") != text
    ]
    assert not [*outdated, *outdated_files()], "run `make openapi`"
