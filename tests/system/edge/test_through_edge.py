"""The system tests of refreshes, log-outs, streams, pages and bad input, through the edge."""

# ruff: noqa: F401
from tests.system.test_bad_input import (
    caller,
    test_a_body_over_the_limit_gets_413,
    test_a_body_that_is_not_a_json_object_gets_400,
    test_an_invalid_id_gets_400_or_404,
    test_an_invalid_query_gets_400,
    test_another_media_type_gets_415,
)
from tests.system.test_event_stream import (
    test_a_subscriber_gets_events_at_once_until_its_log_out_closes_the_stream,
)
from tests.system.test_pages import (
    test_a_form_logs_in_and_logs_out_everywhere,
    test_a_form_of_another_site_is_refused,
    test_a_log_in_ends_the_session_of_the_cookie,
)
from tests.system.test_refresh import (
    chain,
    test_a_log_out_ends_the_session,
    test_a_replay_is_refused_and_ends_the_whole_session,
    test_a_replay_leaves_other_sessions_of_the_account_alive,
    test_parallel_refreshes_of_one_token_share_one_successor,
)
