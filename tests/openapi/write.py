"""`python -m tests.openapi.write` writes the files that are made from the OpenAPI document."""

from tests.openapi.files import generated_files, outdated_files


def main() -> None:
    """Write all files, and remove those of operations that are gone."""
    for file in outdated_files():
        file.unlink()
    for file, text in generated_files().items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
