"""HTTP/1.1 connections to upstream addresses: the connection pool, exchanges on a connection, and their deadlines."""
