"""The stores in SQL: tables, statements, transactions, migrations."""
