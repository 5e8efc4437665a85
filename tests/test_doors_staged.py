"""What a killed run staged goes with the next run; what a living one stages stays."""

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from lard.export.common import staged_folder
from lard.files import affixes, staged

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
