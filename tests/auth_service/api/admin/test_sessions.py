"""Staff list and end the sessions of users."""

from redis import Redis

from contract.revocation import STREAM
from tests.auth_service.forge import claims_of
from tests.auth_service.world import Person


def path_of(person: Person) -> str:
    return f"/auth/admin/users/{person.id}/sessions/"


def test_the_sessions_of_a_user_are_listed_and_ended(ann: Person, staff: Person, redis: Redis) -> None:
    tablet = Person(ann.client, ann.email, agent="ann's tablet")
    tablet.log_in()
    listed = staff.call("GET", path_of(ann)).json
    assert listed
    assert sorted(session["device"] for session in listed) == ["ann's phone", "ann's tablet"]
    assert not any(session["current"] for session in listed)
    sid = claims_of(tablet.access)["sid"]
    redis.delete(STREAM)
    assert staff.call("DELETE", f"{path_of(ann)}{sid}/").status_code == 204
    assert staff.call("DELETE", f"{path_of(ann)}{sid}/").status_code == 404
    assert redis.xlen(STREAM) == 1, "the gateways are told"
    assert tablet.me().status_code == 401
    assert ann.me().status_code == 200
    assert staff.call("DELETE", path_of(ann)).status_code == 204
    assert ann.me().status_code == 401
    assert staff.call("GET", path_of(ann)).json == []


def test_a_session_of_another_user_is_not_ended(ann: Person, staff: Person) -> None:
    sid = claims_of(staff.access)["sid"]
    assert staff.call("DELETE", f"{path_of(ann)}{sid}/").status_code == 404
    assert staff.me().status_code == 200
    own = staff.call("GET", path_of(staff)).json
    assert own
    assert [session["current"] for session in own if session["id"] == sid] == [True]
