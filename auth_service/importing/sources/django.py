"""Django: the table of its user model, groups as roles, and the blacklist of djangorestframework-simplejwt."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sqlalchemy import Engine, column, inspect, select, table

from auth_service.importing.field_values import read_time
from auth_service.importing.source_row import BlacklistedToken, SourceError, SourceRow
from auth_service.importing.sources.columns import Columns
from auth_service.importing.sources.sql_table import SqlTable, reading

TABLE = "auth_user"
COLUMNS = Columns(
    {
        "id": "id",
        "email": "email",
        "password_hash": "password",
        "first_name": "first_name",
        "last_name": "last_name",
        "is_active": "is_active",
        "created_at": "date_joined",
        "last_login_at": "last_login",
    },
    roles=(("is_staff", "staff"), ("is_superuser", "staff")),
)
"""The columns of Django's own user model. Custom models name others."""

_OUTSTANDING = "token_blacklist_outstandingtoken"
_BLACKLISTED = "token_blacklist_blacklistedtoken"


@dataclass(frozen=True, slots=True)
class DjangoUsers:
    """The users of a Django project. `group_roles` maps names of groups to roles; other groups are ignored."""

    users: SqlTable
    group_roles: Mapping[str, str]
    memberships: str
    """The table that connects users and groups: the user table's name and `_groups`, if it is Django's default."""

    def count(self) -> int | None:
        """Return the number of users."""
        return self.users.count()

    def rows(self) -> Iterator[SourceRow]:
        """Yield the users in the order of the ids. Raises SourceError."""
        roles = self._roles_by_user() if self.group_roles else {}
        for row in self.users.rows():
            more = roles.get(str(row.fields["id"]), [])
            yield (
                SourceRow(row.number, {**row.fields, "roles": [*_listed(row.fields["roles"]), *more]})
                if more
                else row
            )

    def _roles_by_user(self) -> dict[str, list[str]]:
        """Return the roles by groups. Only members of mapped groups are kept in memory."""
        user_column = self._user_column()
        self._check_groups()
        groups, members = table("auth_group", column("id"), column("name")), table(self.memberships)
        statement = (
            select(column(user_column), groups.c.name)
            .select_from(members.join(groups, column("group_id") == groups.c.id))
            .where(groups.c.name.in_(self.group_roles))
        )
        found: dict[str, list[str]] = {}
        with reading(self.users.engine) as connection:
            for user_id, group in connection.execute(statement):
                found.setdefault(str(user_id), []).append(self.group_roles[group])
        return found

    def _check_groups(self) -> None:
        with reading(self.users.engine) as connection:
            found: set[str] = set(connection.scalars(select(column("name")).select_from(table("auth_group"))))
        missing = sorted(set(self.group_roles) - found)
        if missing:
            raise SourceError(
                f"the database has no group {', '.join(missing)}; its groups are {', '.join(sorted(found)) or 'none'}"
            )

    def _user_column(self) -> str:
        """Return the column of the membership table that is neither its id nor the group: it has the model's name."""
        with reading(self.users.engine) as connection:
            names = [each["name"] for each in inspect(connection).get_columns(self.memberships)]
        return next((name for name in names if name not in ("id", "group_id")), "user_id")


@dataclass(frozen=True, slots=True)
class SimpleJwtBlacklist:
    """The blacklist of simplejwt, which is empty if the project does not use it."""

    engine: Engine

    def blacklisted_tokens(self, now: float) -> Iterator[BlacklistedToken]:
        """Yield the blacklisted tokens that expire after `now`. Raises SourceError."""
        with reading(self.engine) as connection:
            if not inspect(connection).has_table(_BLACKLISTED):
                return
        outstanding = table(_OUTSTANDING, column("id"), column("jti"), column("expires_at"))
        blacklisted = table(_BLACKLISTED, column("token_id"))
        statement = select(outstanding.c.jti, outstanding.c.expires_at).select_from(
            outstanding.join(blacklisted, blacklisted.c.token_id == outstanding.c.id)
        )
        with reading(self.engine) as connection:
            for jti, expires in connection.execution_options(yield_per=1_000).execute(statement):
                expires_at = read_time(expires)
                if expires_at is None or expires_at > now:
                    yield BlacklistedToken(str(jti), expires_at if expires_at is not None else now + 366 * 86_400)


def _listed(roles: object) -> list[object]:
    return list(roles) if isinstance(roles, list) else []
