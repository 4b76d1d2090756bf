"""The notes of users: the example feature. Replace this folder when you copy the service."""
