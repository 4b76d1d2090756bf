"""Whether tests with samples run all their cases: `make test-all-cases` does, `make test` does not."""

import os

ALL_CASES = bool(os.environ.get("SALLYPORT_ALL_CASES"))
