"""A Django project with djoser and simplejwt, like one that moves. It runs in an environment of its own."""
