"""The audit trail: what happened to an account, when and from where."""
