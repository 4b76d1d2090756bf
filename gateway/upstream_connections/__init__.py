"""HTTP/1.1 connections to one upstream address: pooled, framed, and bounded in time."""
