"""The terminal output of `make run`: names in front, colors, and a reminder that does not scroll away."""

import io

import pytest

from stack.processes.console import REMINDER_LINES, Console


class Terminal(io.BytesIO):
    """An output that says that it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_each_line_has_the_name_of_its_process_in_front() -> None:
    output = io.BytesIO()
    Console(output).write_line("gateway", b"ready")
    assert output.getvalue() == b"gateway  | ready\n"


@pytest.mark.parametrize(("environ", "colored"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_names_have_colors_on_a_terminal(environ: dict[str, str], colored: bool) -> None:
    output = Terminal()
    Console(output, environ).write_line("gateway", b"ready")
    assert (b"\x1b[36mgateway" in output.getvalue()) is colored


def test_the_reminder_is_shown_again_on_a_terminal_before_it_has_scrolled_away() -> None:
    for output, shown in ((Terminal(), 3), (io.BytesIO(), 1)):
        console = Console(output, {"NO_COLOR": "1"})
        console.remind("Sallyport is ready")
        for _ in range(2 * REMINDER_LINES):
            console.write_line("gateway", b"GET 200")
        assert output.getvalue().count(b"stack    | Sallyport is ready\n") == shown
