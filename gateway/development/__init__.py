"""Development only (DEVELOPMENT=on): faults for clients under test."""
