"""Stores of the users who move in from other systems, and of the tokens that they still have."""
