"""docs/tutorial.md, run as written: from a sentence to a signed report and a model with certificates."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs/tutorial.md").read_text()
COMMANDS = re.findall(
    r"<!-- run as written by tests/test_tutorial_e2e.py -->\n```sh\n(.*?)```", PAGE, re.DOTALL
)
FILES = re.findall(r"<!-- file (\S+) -->\n```\w+\n(.*?)```", PAGE, re.DOTALL)
TOOLS = ("bash", "ssh-keygen", "sha256sum")
ENVIRONMENT = dict(
    os.environ, PATH=f"{Path(sys.executable).parent}:{os.environ['PATH']}", PYTHONPATH=str(ROOT)
)


def test_every_shell_block_of_the_page_is_run() -> None:
    assert len(COMMANDS) == PAGE.count("```sh\n") > 0
    assert [name for name, _ in FILES] == ["runway_odd.yaml"] and PAGE.count("```yaml") == 1


@pytest.mark.e2e
@pytest.mark.skipif(not all(map(shutil.which, TOOLS)), reason=f"needs {', '.join(TOOLS)}")
def test_the_page_as_written(tmp_path: Path) -> None:
    for name, text in FILES:
        (tmp_path / name).write_text(text)
    done = subprocess.run(
        ["bash", "-e", "-c", "\n".join(COMMANDS)], cwd=tmp_path, env=ENVIRONMENT, text=True, timeout=900,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-4000:]
    assert 'Good "lard-compliance" signature for reviewer@example.org' in done.stdout
    verdict = json.loads((tmp_path / "compliance/summary.json").read_text())["verdict"]
    assert verdict == "COMPLIANT WITH REMARKS"
    certificates = json.loads((tmp_path / "certificates/certificates.json").read_text())
    assert certificates["L"] < 1.001 and certificates["by_eps"]["0.02"]["certified_firing_recall"] > 0
    assert (tmp_path / "attacks/attack.json").stat().st_size > 0
    conformal = json.loads((tmp_path / "conformal/conform.json").read_text())
    assert conformal["alpha"] == conformal["smallest_alpha"] == 0.5  # one calibration airport allows no less
    signed = tmp_path / "compliance/summary.json"
    signed.write_text(signed.read_text().replace("REMARKS", "NOTHING"))
    check = ["sha256sum", "--check", "--quiet", "evidence.sha256"]
    assert subprocess.run(check, cwd=tmp_path, capture_output=True).returncode == 1
