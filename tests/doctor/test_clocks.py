"""Only what the duration of a request cannot explain counts as a difference of clocks."""

import pytest

from doctor.probes.clocks import certain_offset


@pytest.mark.parametrize(("remote", "offset"), [(99.0, -1.0), (100.0, 0.0), (103.0, 0.0), (106.0, 0.0), (108.5, 2.5)])
def test_the_duration_of_a_request_is_no_difference(remote: float, offset: float) -> None:
    assert certain_offset(remote, started=100.0, ended=106.0) == offset
