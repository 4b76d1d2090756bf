"""The SQL stores: tables, statements, transactions, migrations."""
