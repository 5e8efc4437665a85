"""What a killed run staged goes with the next run; what a living one stages stays."""

import errno
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from lard.export.common import staged_folder
from lard.files import affixes, atomic_path, staged

_KILLED = """
    import os, signal, sys
    from pathlib import Path
    from lard.export.common import staged_folder
    from lard.files import staged
    with {place}(Path(sys.argv[1])) as made:
        (made / "half.txt").write_text("half")
        os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("place", [staged, staged_folder])
def test_what_a_killed_run_staged_goes_with_the_next(place: object, tmp_path: Path) -> None:
    name = place.__name__  # type: ignore[attr-defined]
    out = tmp_path / "out"
    code = textwrap.dedent(_KILLED.format(place=name))
    assert subprocess.run([sys.executable, "-c", code, str(out)], check=False).returncode == -9
    parent, ends = (out, affixes("staged")) if place is staged else (tmp_path, affixes("out"))
    assert [path.name for path in parent.glob(f"{ends[0]}*{ends[1]}/half.txt")] == ["half.txt"]
    with place(out) as made:  # type: ignore[operator]
        (made / "whole.txt").write_text("whole")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["out", "whole.txt"]


def test_what_a_living_run_stages_stays(tmp_path: Path) -> None:
    with staged(tmp_path) as first:
        (first / "a.txt").write_text("a")
        with staged(tmp_path) as second:
            (second / "b.txt").write_text("b")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.txt", "b.txt"]


_WRITES = """
    import os, signal, sys, time
    from lard.files import atomic_path
    with atomic_path(sys.argv[1]) as temporary:
        temporary.write_text("half")
        print(temporary, flush=True)
        if sys.argv[2] == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        sys.stdin.read()
"""


def _writer(target: Path, how: str) -> tuple[subprocess.Popen[str], Path]:
    """A process that writes a file and dies at it, or waits until its input ends; its temporary file."""
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(_WRITES), str(target), how],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


def test_what_a_killed_run_wrote_goes_and_what_a_living_one_writes_stays(
    tmp_path: Path,
) -> None:
    target = tmp_path / "out" / "table.parquet"
    dead, left = _writer(target, "die")
    assert dead.wait() == -9 and left.is_file()
    alive, writing = _writer(target, "wait")
    _, elsewhere = _writer(target.with_name("other.parquet"), "die")
    try:
        assert writing.is_file() and not left.exists(), "the second run forgot what the first one left"
        with atomic_path(target) as mine:  # this run finds what the second one is writing
            mine.write_text("mine")
            with atomic_path(target) as inner:
                inner.write_text("inner")
            assert mine.is_file() and writing.is_file()
        assert target.read_text() == "mine"
        assert elsewhere.is_file(), "of another file, which was not written again"
    finally:
        alive.communicate("")
    assert target.read_text() == "half", "the living one ended well, after this"
    assert {path.name for path in target.parent.iterdir()} == {"table.parquet", elsewhere.name}


@pytest.mark.parametrize("locks", [True, False])
def test_only_own_plain_files_that_nobody_holds_are_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, locks: bool
) -> None:
    """Links, folders, pipes and names of others stay; all does where the file system has no locks."""
    start, end = affixes("a", ".txt")
    precious = tmp_path / "precious"
    precious.write_text("mine")
    (tmp_path / f"{start}linked00{end}").symlink_to(precious)
    (tmp_path / f"{start}folder00{end}").mkdir()
    os.mkfifo(tmp_path / f"{start}pipe0000{end}")
    (tmp_path / f"{start}longername{end}").write_text("of another program")
    left = tmp_path / f"{start}dead0000{end}"
    left.write_text("half")
    kept = {path.name for path in tmp_path.iterdir()} - ({left.name} if locks else set())
    if not locks:

        def none(*_: object) -> None:
            raise OSError(errno.ENOLCK, "No locks available")

        monkeypatch.setattr("fcntl.flock", none)
    with atomic_path(tmp_path / "a.txt") as temporary:
        temporary.write_text("whole")
    assert {path.name for path in tmp_path.iterdir()} == kept | {"a.txt"}
    assert precious.read_text() == "mine"


def test_a_folder_is_looked_through_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not for each of a million pictures."""
    seen, scan = [], os.scandir

    def looked(place: str) -> object:
        seen.append(place)
        return scan(place)

    monkeypatch.setattr("os.scandir", looked)
    for number in range(20):
        with atomic_path(tmp_path / f"{number}.jpg") as temporary:
            temporary.write_text("x")
    assert len(seen) == 1
