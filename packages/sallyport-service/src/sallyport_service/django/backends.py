"""The authentication backend that keeps a row in the table of users for each caller."""

from collections.abc import Mapping
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.hashers import make_password
from django.core.exceptions import FieldDoesNotExist, ImproperlyConfigured
from django.http import HttpRequest

from sallyport_service.identity import Identity


class IdentityBackend(ModelBackend):
    """Finds or creates the row of a caller, so that foreign keys, groups and permissions work. It has no passwords.

    Subclass it to change `subject_field`, `creates_users` or `fields_of`.
    """

    subject_field: str | None = None
    """The field that holds the user's id at the auth service. None: the model's USERNAME_FIELD."""
    creates_users = True
    """Whether a caller without a row gets one. Otherwise the caller is an AnonymousUser."""

    def authenticate(self, request: HttpRequest | None, identity: Identity | None = None, **_: Any) -> Any:
        """Return the user of a verified identity, or None if the row is missing or deactivated."""
        if not isinstance(identity, Identity):
            return None
        model = get_user_model()
        key = {self._subject_field(model): identity.subject}
        if self.creates_users:
            new = {**self._existing_fields(model, identity), "password": make_password(None)}
            user, _is_new = model._default_manager.get_or_create(**key, defaults=new)
        else:
            user = model._default_manager.filter(**key).first()
        if user is None or not self.user_can_authenticate(user):
            return None
        self._update(user, identity)
        user.backend = f"{type(self).__module__}.{type(self).__qualname__}"
        return user

    def fields_of(self, identity: Identity) -> Mapping[str, object]:
        """Return the fields of the row that follow the identity: the address, and `is_staff` for the role staff."""
        return {get_user_model().get_email_field_name(): identity.email, "is_staff": identity.has_role("staff")}

    def _update(self, user: Any, identity: Identity) -> None:
        fields = self._existing_fields(type(user), identity)
        changed = {name: value for name, value in fields.items() if getattr(user, name) != value}
        for name, value in changed.items():
            setattr(user, name, value)
        if changed:
            user.save(update_fields=list(changed))

    def _existing_fields(self, model: Any, identity: Identity) -> dict[str, object]:
        return {name: value for name, value in self.fields_of(identity).items() if _has_field(model, name)}

    def _subject_field(self, model: Any) -> str:
        field = self.subject_field or str(model.USERNAME_FIELD)
        if field == model.get_email_field_name():
            # An address can later belong to another user.
            raise ImproperlyConfigured(
                f"{model.__name__} is identified by {field!r}, which can change: add a unique field for the user's id"
                " and name it as subject_field in a subclass of IdentityBackend"
            )
        return field


def _has_field(model: Any, name: str) -> bool:
    try:
        model._meta.get_field(name)
    except FieldDoesNotExist:
        return False
    return True
