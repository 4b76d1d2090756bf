"""A compiled copy of the gateway is used only if it was made from the sources as they are."""

from pathlib import Path

from compilation.copy import ROOT, STAMP, compiled_modules, copy_problem, current_stamp, environ_of


def test_a_missing_copy_is_a_problem_that_names_the_command(tmp_path: Path) -> None:
    assert copy_problem(tmp_path / "none") == f"there is no compiled gateway in {tmp_path}/none: run `make compile`"


def test_a_copy_of_the_sources_as_they_are_is_current(tmp_path: Path) -> None:
    (tmp_path / STAMP).write_text(current_stamp())
    assert copy_problem(tmp_path) == ""


def test_a_copy_of_other_sources_or_for_another_python_is_refused(tmp_path: Path) -> None:
    tag, digest = current_stamp().split()
    for stamp in (f"{tag} {digest[::-1]}\n", f"cpython-310 {digest}\n"):
        (tmp_path / STAMP).write_text(stamp)
        assert "older than its sources, or for another Python: run `make compile`" in copy_problem(tmp_path)


def test_the_stamp_changes_with_each_change_of_a_source(tmp_path: Path) -> None:
    folder = tmp_path / "gateway" / "http"
    folder.mkdir(parents=True)
    stamps = {current_stamp(tmp_path)}
    for name, text in (("a.py", "A = 1\n"), ("a.py", "A = 2\n"), ("b.py", "A = 2\n")):
        (folder / name).write_text(text)
        stamps.add(current_stamp(tmp_path))
    (folder / "a.py").rename(folder / "c.py")
    stamps.add(current_stamp(tmp_path))
    assert len(stamps) == 5


def test_every_listed_module_exists_and_is_listed_once() -> None:
    modules = compiled_modules()
    assert [module for module in modules if not (ROOT / module).is_file()] == []
    assert sorted(set(modules)) == modules


def test_the_copy_is_found_before_the_sources(tmp_path: Path) -> None:
    """PYTHONSAFEPATH keeps the working folder, which has the sources, out of the search path."""
    assert environ_of(tmp_path) == {"PYTHONPATH": f"{tmp_path}:{ROOT}", "PYTHONSAFEPATH": "1"}
