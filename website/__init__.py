"""The site of the documentation: what MkDocs needs beside mkdocs.yml and docs/."""
