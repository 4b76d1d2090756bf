"""A Django project with djoser, simplejwt and django-cors-headers, set up as their documentation shows."""
