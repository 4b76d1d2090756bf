"""The operator's commands: `python -m auth_service NOUN VERB`, a module for each noun."""
