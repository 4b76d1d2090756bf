"""Collect facts about a deployment. Each probe has a timeout, and none changes anything."""
