"""Tests of the contract, with recorded vectors."""
