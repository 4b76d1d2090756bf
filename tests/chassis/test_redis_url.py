"""The forms of REDIS_URL: what is read from each, and what is refused with which words."""

import pytest

from chassis.redis_url import parse_redis_url


@pytest.mark.parametrize("url", ["redis://127.0.0.1", "rediss://:p@host:6380/2", "unix:///run/redis.sock"])
def test_the_url_of_one_server_is_left_to_redis_py(url: str) -> None:
    parsed = parse_redis_url(url)
    assert (parsed.topology, parsed.url, parsed.nodes) == ("server", url, ())


def test_a_sentinel_url_names_the_sentinels_the_service_and_the_database() -> None:
    parsed = parse_redis_url("redis+sentinel://ann:p%40%2Fss@a:26380,[::1],c/my-service/3")
    assert parsed.topology == "sentinel"
    assert parsed.nodes == (("a", 26380), ("::1", 26379), ("c", 26379))
    assert parsed.service == "my-service"
    assert parsed.options == {"username": "ann", "password": "p@/ss", "db": 3}
    assert parsed.sentinel_options == {}


def test_sentinels_have_their_own_password_and_the_same_tls_options() -> None:
    parsed = parse_redis_url(
        "rediss+sentinel://:data@a/main?ssl_ca_certs=/ca.pem&sentinel_username=bob&sentinel_password=own"
    )
    tls = {"ssl": True, "ssl_ca_certs": "/ca.pem"}
    assert parsed.options == {"password": "data", **tls}
    assert parsed.sentinel_options == {"username": "bob", "password": "own", **tls}


def test_a_cluster_url_names_nodes() -> None:
    parsed = parse_redis_url("rediss+cluster://:p@a:7000,b/0?ssl_cert_reqs=none")
    assert (parsed.topology, parsed.nodes) == ("cluster", (("a", 7000), ("b", 6379)))
    assert parsed.options == {"password": "p", "ssl": True, "ssl_cert_reqs": "none"}


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("http://:hunter2@redis", "must be a redis://"),
        ("redis+other://:hunter2@redis", "must be a redis://"),
        ("redis+sentinel://:hunter2@a:1", "names no service"),
        ("redis+sentinel://:hunter2@a:1/main/first", "database that is not a number"),
        ("redis+sentinel://:hunter2@a:1,b:port/main", "invalid port in address 2"),
        ("redis+sentinel://:hunter2@a:1,/main", "no host or port in address 2"),
        ("redis+sentinel://:hunter2/3@a:1/main/0", "database that is not a number|invalid port in address 1"),
        ("redis+cluster://:hunter2@a:0", "no host or port in address 1"),
        ("redis+cluster://:hunter2@a:1/2", "only the database 0"),
        ("redis+cluster://:hunter2@a:1?hunter2=1", "options of redis-py only"),
        ("redis+cluster://:hunter2@[a:1", "percent-encoding"),
        ("redis://:hunter2@a?socket_timeout=hunter2", "options of redis-py only"),
        ("redis://:hunter/2@a", "percent-encoding"),
    ],
)
def test_a_malformed_url_is_refused_without_its_password(url: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem) as error:
        parse_redis_url(url)
    assert "hunter" not in str(error.value)
    assert error.value.__cause__ is None


def test_the_representation_hides_the_password() -> None:
    assert "hunter2" not in repr(parse_redis_url("redis+sentinel://:hunter2@a/main?sentinel_password=hunter2"))
