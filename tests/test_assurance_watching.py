"""A model before a dataset: what small sets allow is stated, what they do not is said to be so."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from monitor_support import write_model, write_split

from lard.assurance.watching import WatchSpec, watch
from lard.errors import DataError
from lard.report.assurance import accounts_below, assurance_pages, write_pages
from lard.report.monitors import drawn
from lard.robust.unit import Target

SPEC = WatchSpec(train=12, val=10, test=4, outside=6, steps=2)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("watching")
    for split, count in (("train", 12), ("val", 10), ("test", 4)):
        write_split(folder, split, count)
    write_model(folder / "lip.pt", "lip-fcos")
    return folder


def watched(data: Path, spec: WatchSpec) -> tuple[dict[str, Any], dict[str, str], dict[str, Path]]:
    target = Target("lip", data / "lip.pt", 0.4)
    others = {"twins": data}
    paths, absent = watch(spec, target, data, "test", others, data / "out/lip", data / "looks", 0)
    return {kind: json.loads(path.read_text()) for kind, path in paths.items()}, absent, paths


def test_what_is_measured_names_its_model_and_what_is_not_its_reason(data: Path) -> None:
    found, absent, paths = watched(data, SPEC)
    assert set(found) | set(absent) == {"monitor", "failure", "conform"} and "monitor" in found
    assert all(document["model"] == "lip" for document in found.values())
    assert set(found["monitor"]["outside"]) == {"no runway", "rotated", "dirt", "twins"}
    assert found["monitor"]["inside"]["pictures"] == 24
    twins = found["monitor"]["outside"]["twins"]["alarms"]["mahalanobis"]
    assert 0.1 < twins["AUROC"] < 0.9, "pictures of the domain itself are not told from it"
    assert watched(data, SPEC)[0] == found, "looks that were kept say the same"
    drawn(paths["monitor"])
    out = data / "assurance.html"
    reasons = {("lip", kind): reason for kind, reason in absent.items()}
    write_pages(assurance_pages({"monitor": [paths["monitor"]]}, out, {}, reasons))
    account = (data / "assurance/lip.html").read_text()
    assert account.count("<svg") == 2
    for reason in absent.values():
        assert reason.split(";")[0][:40] in account
    assert accounts_below(data, ["lip", "other"]) == {"lip": "assurance/lip.html"}


def test_sets_too_small_leave_no_earlier_statement_behind(data: Path) -> None:
    assert (data / "out/lip/monitor.json").is_file()
    found, absent, _ = watched(data, WatchSpec(train=12, val=2, test=1, outside=6, steps=2))
    assert "monitor" not in found and "validation pictures cannot set a false-stop rate" in absent["monitor"]
    assert not (data / "out/lip/monitor.json").exists()


def test_a_damaged_picture_is_an_error_a_small_set_outside_is_not(data: Path, tmp_path: Path) -> None:
    place = shutil.copytree(data, tmp_path / "copy")
    target, spec = Target("lip", place / "lip.pt", 0.4), WatchSpec(train=1, val=1, test=1, outside=6, steps=1)
    loose = place / "loose"
    loose.mkdir()
    shutil.copy(next((place / "images").glob("*")), loose)
    told = watched_with(target, spec, place, {"loose": loose})
    assert all("loose" not in reason for reason in told.values())
    for picture in (place / "images").iterdir():
        picture.write_bytes(picture.read_bytes()[:40])
    with pytest.raises(DataError, match="images/"):
        watched_with(target, spec, place, {})


def watched_with(target: Target, spec: WatchSpec, place: Path, others: dict[str, Path]) -> dict[str, str]:
    return watch(spec, target, place, "test", others, place / "out/lip", place / "looks", 0)[1]
