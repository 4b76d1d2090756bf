"""The system tests of forged tokens and spoofed identities, through the edge."""

# ruff: noqa: F401
from tests.system.test_forgery import (
    forge,
    test_a_forged_token_gets_401,
    test_a_malformed_authorization_field_gets_401,
    test_a_token_that_is_too_long_is_refused,
    test_an_unchanged_token_of_the_forge_is_accepted,
    test_spoofed_headers_with_ambiguous_names_have_no_effect,
    test_spoofed_identity_headers_do_not_change_the_identity,
    test_spoofed_identity_headers_without_a_token_get_401,
    test_without_a_token_the_challenge_has_no_error_code,
    tokens,
)
