"""The preview is one file that needs no network, with the same bytes each time."""

from pathlib import Path

import numpy as np
from click.testing import CliRunner

from lard.airports import load_shipped
from lard.cli import main
from lard.odd import load_spec
from lard.scenario import sample
from lard.scenario.preview import target_boxes

ODD = Path(__file__).parent.parent / "odd_specs" / "lard_v2.yaml"


def test_preview_is_offline_and_repeats(tmp_path: Path) -> None:
    contents = []
    for name in ("a.html", "b.html"):
        path = str(tmp_path / name)
        given = ["odd", "preview", str(ODD), "--n", "30", "--airports", "LFPO", "--out", path]
        result = CliRunner().invoke(main, given)
        assert result.exit_code == 0, result.output
        contents.append(Path(path).read_text())
    assert contents[0] == contents[1]
    assert "lard_v2 2.0" in contents[0]
    for forbidden in ("src=", "<script", 'href="http'):
        assert forbidden not in contents[0]


def test_unknown_format_is_explained(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["odd", "preview", str(ODD), "--out", str(tmp_path / "a.pdf")])
    assert result.exit_code == 2 and "unknown picture format '.pdf'" in result.output


def test_boxes_grow_towards_the_runway() -> None:
    spec, db = load_spec(ODD), load_shipped()
    frames = sample(spec, db, ["LFPO", "KATL"], 300)
    boxes = target_boxes(db, frames, spec)
    area = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    zone = frames["zone"].to_numpy()
    far, medium, close = (np.nanmedian(area[zone == name]) for name in ("far", "medium", "close"))
    assert 0 < far < medium < close
    assert np.nanmin(boxes) >= 0 and np.nanmax(boxes) <= 1024
