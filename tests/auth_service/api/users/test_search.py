"""GET /auth/users/?search=: staff find users by address and names."""

import pytest
from flask.testing import FlaskClient

from tests.auth_service.conftest import MakeApp
from tests.auth_service.world import Operator, Person

NAMES = {"ann@example.org": ("Ann", "Lee"), "bob@example.org": ("Bob", "Annan"), "cy@b.co": ("Cy", "Lee")}


@pytest.fixture
def staff(make_app: MakeApp) -> Person:
    """A member of the staff, in a service with three users and two of them on a page."""
    app = make_app(PAGE_SIZE="2")
    client = app.test_client()
    for email, (first_name, last_name) in NAMES.items():
        assert Person(client, email).register(first_name=first_name, last_name=last_name).status_code == 201
    Operator(app).grant("cy@b.co", "staff")
    staff = Person(client, "cy@b.co")
    staff.log_in()
    return staff


def found(person: Person, query: str) -> list[str]:
    """Return the addresses on all pages of a search."""
    emails: list[str] = []
    counts: set[int] = set()
    path = f"/auth/users/?{query}"
    while path:
        page = person.call("GET", path).json
        assert page
        counts.add(page["count"])
        emails += [user["email"] for user in page["results"]]
        path = page["next"]
    assert counts == {len(emails)}
    return sorted(emails)


@pytest.mark.parametrize(
    ("query", "emails"),
    [
        ("search=ann", ["ann@example.org", "bob@example.org"]),
        ("search=LEE", ["ann@example.org", "cy@b.co"]),
        ("search=lee+ann", ["ann@example.org"]),
        ("search=%20", sorted(NAMES)),
        ("search=", sorted(NAMES)),
        ("", sorted(NAMES)),
        ("search=a%00nn", ["ann@example.org", "bob@example.org"]),
        ("search=%25", []),
        ("search=nobody", []),
        ("search=\N{LATIN SMALL LETTER E WITH ACUTE}", []),
    ],
)
def test_staff_find_users_by_each_word_of_the_search(staff: Person, query: str, emails: list[str]) -> None:
    """Every page of the result is of the same search."""
    assert found(staff, query) == emails


def test_others_find_only_themselves(staff: Person) -> None:
    ann = Person(staff.client, "ann@example.org")
    ann.log_in()
    assert found(ann, "search=e") == ["ann@example.org"]
    assert found(ann, "search=bob") == []


def test_a_search_with_too_many_words_is_refused(staff: Person) -> None:
    """Each word is a condition of the SQL statement, and databases limit the size of a statement."""
    assert found(staff, "search=" + "+".join(["ann"] * 20)) == ["ann@example.org", "bob@example.org"]
    refused = staff.call("GET", "/auth/users/?search=" + "+".join(["a"] * 3_000))
    assert (refused.status_code, refused.json) == (400, {"search": ["Ensure this field has no more than 20 words."]})


def test_a_search_needs_a_token(client: FlaskClient) -> None:
    assert client.get("/auth/users/?search=ann").status_code == 401
