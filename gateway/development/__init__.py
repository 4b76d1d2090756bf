"""Development only (DEVELOPMENT=on): the first page, and faults for clients under test."""
