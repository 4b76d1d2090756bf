"""HTTP/1.1 connections to one upstream address: the pool, the exchange on a connection, and its deadlines."""
