"""The files in the repository that are made from the OpenAPI document, with their texts."""

from pathlib import Path

import yaml

from stack.plan import ROOT
from tests.openapi.bruno import bruno_files
from tests.openapi.document import joined_document
from tests.openapi.http_file import http_file

REQUESTS = ROOT / "docs/requests"
_HEAD = "# The API of a gateway with the default routes and settings. `make openapi` writes this file.\n"


def generated_files() -> dict[Path, str]:
    """Return the text of each file."""
    document = joined_document()
    text = yaml.dump(document, Dumper=yaml.CSafeDumper, sort_keys=False, width=120, allow_unicode=True)
    files = {
        ROOT / "openapi.yaml": _HEAD + text,
        REQUESTS / "sallyport.http": http_file(document),
    }
    files |= {REQUESTS / "bruno" / name: text for name, text in bruno_files(document).items()}
    return files


def outdated_files() -> list[Path]:
    """Return the files of Bruno's collection that belong to no operation any more."""
    expected = generated_files()
    return [file for file in (REQUESTS / "bruno").rglob("*") if file.is_file() and file not in expected]
