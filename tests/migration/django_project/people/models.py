"""A user model whose columns have other names than Django's, and whose primary key is a UUID."""

import uuid

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager
from django.db import models


class PersonManager(BaseUserManager):
    """Creates people."""

    def create_user(self, mail, password=None, **fields):
        """Store a person."""
        person = self.model(mail=self.normalize_email(mail), **fields)
        person.set_password(password)
        person.save()
        return person


class Person(AbstractBaseUser):
    """A user who logs in with `mail`."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    mail = models.EmailField(unique=True)
    given_name = models.CharField(max_length=300, blank=True)
    surname = models.CharField(max_length=300, blank=True)
    is_enabled = models.BooleanField(default=True)
    is_editor = models.BooleanField(default=False)
    joined = models.DateTimeField(auto_now_add=True)

    USERNAME_FIELD = "mail"
    EMAIL_FIELD = "mail"

    objects = PersonManager()

    @property
    def is_active(self):
        """Return whether the person may log in."""
        return self.is_enabled
