"""Maps point where a detector looks; the numbers of maps have their values where these are known."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from assurance_support import BLOCK_PX, Looking, bounded, constant_of, linear, picture_at, view_at
from detect_support import write_random_model

from lard.assurance.choice import balanced, runway_of
from lard.assurance.deletion import SHARES, Curves, curves_of
from lard.assurance.field import field_of
from lard.assurance.intervals import mean_interval, paired_difference
from lard.assurance.methods import METHODS, MapPlan, hsic_of, noise_map, slopes, total_indices
from lard.assurance.pointing import alignment, likeness, pointed, pooled, relative_consistency
from lard.assurance.reach import receptive_margins
from lard.assurance.view import Sight, view_of
from lard.detect.checkpoint import load_detector
from lard.detect.data import Picture
from lard.errors import DataError, ModelError

PLAN = MapPlan(grid=8)
RNG = np.random.default_rng(0)


@pytest.mark.parametrize("method", [*METHODS])
def test_every_method_finds_where_a_detector_looks(tmp_path: Path, method: str) -> None:
    """One of the runway's own brightness, and one of a watermark beside it: the maps tell them apart."""
    bright = torch.full((3, BLOCK_PX, BLOCK_PX), 1.0)
    picture, maps = picture_at(tmp_path), MapPlan(grid=12, masks=400)
    for offset, right in (((0, 0), True), ((24, -20), False)):
        net = Looking(offset, bright, 3.0).eval()
        view = view_at(net, picture, bounded(net))
        told = pointed(METHODS[method](view, view.pixels, maps, np.random.default_rng(3)), view.field)
        assert told.hit == right
        assert told.inside is not None
        assert told.inside > 10 * told.area if right else told.inside < told.area


def test_what_lies_beyond_the_field_is_told(tmp_path: Path) -> None:
    """A watermark too far away for the field: the gradient has nothing inside it."""
    net = Looking((0, 56), torch.full((3, BLOCK_PX, BLOCK_PX), 1.0), 3.0).eval()
    view = view_at(net, picture_at(tmp_path))
    heat = METHODS["gradient"](view, view.pixels, PLAN, RNG)
    assert heat.within == 0
    assert pointed(heat, view.field).inside is None and not pointed(heat, view.field).hit


def test_a_map_that_knows_nothing_points_by_area() -> None:
    rng = np.random.default_rng(5)
    field = field_of(np.array([[40.0, 40], [80, 40], [80, 80], [40, 80]]), np.array([40.0, 40, 80, 80]),
                     np.array([0.3, -0.5]), (256, 256))  # fmt: skip
    view = SimpleNamespace(field=field)
    told = [pointed(noise_map(view, torch.zeros(0), PLAN, rng), field) for _ in range(400)]  # type: ignore[arg-type]
    error = 3 * np.sqrt(field.area * (1 - field.area) / 400)
    assert np.mean([one.hit for one in told]) == pytest.approx(field.area, abs=error)
    assert np.mean([one.lift for one in told if one.lift is not None]) == pytest.approx(1, abs=0.01)


def test_integrated_gradients_of_a_linear_detector_are_exact(tmp_path: Path) -> None:
    """Attribution (x - b) w, complete with any number of steps; the slopes of all methods are w."""
    net = linear()
    view = view_at(net, picture_at(tmp_path), bounded(net))
    heat = METHODS["integrated"](view, view.pixels, MapPlan(steps=1), RNG)
    x0, y0, x1, y1 = view.field.corners
    base = view.field.fill(view.pixels)[0, :, 0, 0].numpy()
    expected = np.zeros((3, y1 - y0, x1 - x0))
    own = slice(64 - y0 - view.window[1], None), slice(60 - x0 - view.window[0], None)
    block = (slice(own[0].start, own[0].start + BLOCK_PX), slice(own[1].start, own[1].start + BLOCK_PX))
    part = view.field.cut(view.pixels)[0].numpy()
    weights = net.look.weight[0].detach().numpy()
    expected[(slice(None), *block)] = (part[(slice(None), *block)] - base[:, None, None]) * weights
    assert heat.slope is not None and heat.gap is not None
    np.testing.assert_allclose(heat.slope, expected, atol=1e-6)
    assert heat.gap < 1e-4
    for name in ("gradient", "smoothgrad", "radius"):
        slope = METHODS[name](view, view.pixels, PLAN, np.random.default_rng(1)).slope
        assert slope is not None
        np.testing.assert_allclose(slope[(slice(None), *block)], weights, rtol=1e-4, atol=1e-6)
        assert np.linalg.norm(slope) == pytest.approx(constant_of(net), rel=1e-5)


def test_integrated_gradients_agree_with_captum(tmp_path: Path) -> None:
    attr = pytest.importorskip("captum.attr")
    view = _random_view(tmp_path)
    base = view.field.put(view.field.fill(view.pixels).expand_as(view.field.cut(view.pixels)), view.pixels)
    theirs = attr.IntegratedGradients(view.score).attribute(
        view.pixels, base, n_steps=8, method="riemann_middle"
    )
    ours = METHODS["integrated"](view, view.pixels, MapPlan(steps=8), RNG).slope
    assert ours is not None
    np.testing.assert_allclose(ours, view.field.cut(theirs)[0].detach().numpy(), atol=1e-5)


def test_a_plain_detector_has_no_radius(tmp_path: Path) -> None:
    view = view_at(linear(), picture_at(tmp_path))
    with pytest.raises(ModelError, match=r"method radius.*lip-fcos"):
        METHODS["radius"](view, view.pixels, PLAN, RNG)


def _random_view(folder: Path, side: int = 128):  # type: ignore[no-untyped-def]
    net = load_detector(write_random_model(folder / "random.pt")).net
    picture = picture_at(folder, box_px=24)
    sight = Sight(net, None, 0.5, receptive_margins(net))
    return view_of(sight, picture, 0, np.array([0.5, 0.5]))


def test_a_window_gives_the_score_and_gradient_of_the_whole_picture(tmp_path: Path) -> None:
    import cv2

    net = load_detector(write_random_model(tmp_path / "random.pt")).net
    for parameter in net.parameters():
        parameter.requires_grad_(False)
    pixels = np.random.default_rng(2).integers(0, 255, (320, 300, 3)).astype(np.uint8)
    cv2.imwrite(str(tmp_path / "wide.png"), pixels)
    box = np.array([[140.0, 150, 164, 170]])
    ring = np.array([[140.0, 150], [164, 150], [164, 170], [140, 170]])
    picture = Picture(1, tmp_path / "wide.png", 300, 320, box, (ring,), np.array([False]), {})
    margins = receptive_margins(net)
    near = view_of(Sight(net, None, 0.5, margins), picture, 0, np.zeros(2))
    far = view_of(Sight(net, None, 0.5, (9999,) * len(margins)), picture, 0, np.zeros(2))
    assert near.pixels[0, 0].numel() < 0.6 * far.pixels[0, 0].numel()
    assert near.cut_off < 1e-5 and far.cut_off < 1e-5
    x0, y0, x1, y1 = near.window
    slope = slopes(far.score, far.pixels)[0]
    beyond = slope.clone()
    beyond[:, y0:y1, x0:x1] = 0
    assert float(beyond.abs().max()) == 0, "nothing beyond the window moves the score"
    torch.testing.assert_close(
        slopes(near.score, near.pixels)[0], slope[:, y0:y1, x0:x1], atol=1e-5, rtol=1e-3
    )


def test_hsic_finds_the_part_that_the_score_depends_on() -> None:
    rng = np.random.default_rng(0)
    masks = (rng.random((400, 10)) < 0.5).astype(np.float32)
    found = hsic_of(masks, 2.0 * masks[:, 3] + 0.05 * rng.normal(size=400))
    assert found.argmax() == 3 and np.delete(found, 3).max() < 0.05 * found[3]
    assert hsic_of(masks, np.ones(400)).max() == pytest.approx(0)


def test_hsic_is_that_of_its_definition() -> None:
    rng = np.random.default_rng(1)
    masks, scores = (rng.random((12, 3)) < 0.5).astype(np.float64), rng.normal(size=12)
    apart = np.abs(scores[:, None] - scores[None])
    kernel = np.exp(-0.5 * (apart / np.median(apart[apart > 0])) ** 2)
    centring = np.eye(12) - 1 / 12
    for column, value in enumerate(hsic_of(masks, scores)):
        same = (masks[:, column, None] == masks[None, :, column]).astype(float)
        assert value == pytest.approx(np.trace(centring @ same @ centring @ kernel) / 11**2)


def test_total_indices_are_those_of_the_ishigami_function() -> None:
    """sin x1 + 7 sin^2 x2 + 0.1 x3^4 sin x1 on [-pi, pi]^3: 0.5576, 0.4424 and 0.2437 (Saltelli et al.)."""

    def ishigami(points: np.ndarray) -> np.ndarray:
        one, two, three = np.moveaxis((2 * points - 1) * np.pi, -1, 0)
        return np.sin(one) + 7 * np.sin(two) ** 2 + 0.1 * three**4 * np.sin(one)

    draw = np.random.default_rng(0).random((20000, 2, 3))
    mixed = np.repeat(draw[:, :1], 3, axis=1)
    mixed[:, range(3), range(3)] = draw[:, 1]
    found = total_indices(ishigami(draw[:, 0]), ishigami(mixed))
    np.testing.assert_allclose(found, [0.5576, 0.4424, 0.2437], atol=0.02)
    assert total_indices(np.ones(4), np.ones((4, 2))).max() == 0


def test_sobol_gives_the_only_part_that_counts_all_of_the_variance(tmp_path: Path) -> None:
    """A detector of one block of 4 px, on a grid whose parts hold it whole: its part has index about 1."""
    net = Looking((0, 0), torch.full((3, BLOCK_PX, BLOCK_PX), 1.0), 3.0).eval()
    view = view_at(net, picture_at(tmp_path))
    maps = [
        METHODS["sobol"](view, view.pixels, MapPlan(grid=3, designs=64), np.random.default_rng(seed)).values
        for seed in (0, 0, 1)
    ]
    np.testing.assert_array_equal(maps[0], maps[1])
    assert (maps[0] != maps[2]).any()
    parts = np.sort(np.unique(maps[0]))
    assert len(parts) == 2 and parts[0] < 1e-6, "all others change nothing"
    assert parts[1] == pytest.approx(1, abs=0.25)


def test_curves_of_a_linear_detector_rank_its_pixels(tmp_path: Path) -> None:
    """Its own weights delete and insert sooner than any other order, and the ends are what they are."""
    bright = torch.full((3, BLOCK_PX, BLOCK_PX), 1.0)
    view = view_at(Looking((0, 0), bright, 20.0).eval(), picture_at(tmp_path))
    part = view.pixels.clone()
    part[..., :, :] = 0.2
    x, y = 60 - view.window[0], 64 - view.window[1]
    part[:, :, y : y + BLOCK_PX, x : x + BLOCK_PX] = 0.9  # a bright runway on dark ground
    values = METHODS["gradient"](view, part, PLAN, RNG).values
    areas = {
        name: curves_of(view, part, order, 4).areas()
        for name, order in (("best", values), ("worst", -values), ("flat", np.zeros_like(values)))
    }
    best, worst = areas["best"], areas["worst"]
    assert best is not None and worst is not None
    assert best[0] == pytest.approx(SHARES[1] / 2, abs=1e-6) and best[1] == pytest.approx(
        1 - best[0], abs=1e-6
    )
    assert worst[0] > 0.6 and worst[1] < 0.4
    curves = curves_of(view, part, values, 4)
    with torch.no_grad():
        assert curves.deleted[0].max() == pytest.approx(float(view.score(part)), abs=1e-5)
    np.testing.assert_array_equal(curves.deleted[-1], curves.inserted[0])


def test_curves_of_a_picture_that_scores_no_more_than_flat_ground_have_no_area() -> None:
    flat = np.zeros((len(SHARES), 3))
    assert Curves(flat, flat).areas() is None


def test_likeness_and_alignment_have_their_known_values() -> None:
    values = np.random.default_rng(0).random((96, 96))
    assert likeness(pooled(values), 3 * pooled(values) ** 3) == pytest.approx(1)
    assert likeness(pooled(values), pooled(-values)) == pytest.approx(-1)
    assert likeness(pooled(values), np.zeros((24, 24))) is None
    assert alignment(values, 2 * values) == pytest.approx(1) and alignment(values, 0 * values) is None


def test_relative_consistency_tells_agreement_from_disagreement() -> None:
    apart = relative_consistency(np.array([0.9, 0.8]), np.array([0.1, 0.2]))
    mixed = relative_consistency(np.array([0.1, 0.9]), np.array([0.1, 0.9]))
    assert apart == 1 and mixed == 0
    assert relative_consistency(np.array([0.1, 0.2]), np.array([0.8, 0.9])) == 0
    assert relative_consistency(np.array([0.1]), np.array([])) is None


def test_intervals_are_over_airports() -> None:
    """Runways of one airport that agree say no more than one of them; few airports say nothing."""
    airports = [name for name in "ABCDEFGH" for _ in range(5)]
    values: list[float | None] = [float(name < "E") for name in airports]
    told = mean_interval(values, airports, 0)
    assert told["value"] == 0.5 and told["n"] == 40
    assert told["interval"][0] <= 0.2 and told["interval"][1] >= 0.8
    single = mean_interval(values, [f"{k}" for k in range(40)], 0)["interval"]
    assert single[1] - single[0] < 0.8 * (told["interval"][1] - told["interval"][0])
    assert mean_interval(values[:25], airports[:25], 0)["interval"] is None
    unknown = mean_interval([None, 1.0], ["A", "B"], 0)
    assert (unknown["value"], unknown["n"], unknown["unknown"]) == (1.0, 1, 1)
    assert mean_interval([None], ["A"], 0)["value"] is None
    gap = paired_difference([0.0, None, 0.5], [1.0, 1.0, 0.5], ["A", "B", "C"], 0)
    assert gap["value"] == 0.5 and gap["unknown"] == 1


def _picture(image_id: int, zone: str, airport: str, required: bool = True) -> Picture:
    box = np.array([[0.0, 0, 10, 10]])
    ring = np.array([[0.0, 0], [10, 0], [10, 10]])
    info = {"zone": zone, "airport": airport}
    return Picture(image_id, Path("x.png"), 64, 64, box, (ring,), np.array([not required]), info)


def test_pictures_are_balanced_over_zones_and_airports() -> None:
    pictures = [
        _picture(place, zone, airport, required=place % 7 > 0)
        for place, (zone, airport) in enumerate(
            [("far", "A")] * 30 + [("far", "B")] * 3 + [("close", "A")] * 5 + [("close", "C")] * 9
        )
    ]
    few, more = (balanced(pictures, count, 1, "x") for count in (6, 12))
    assert {one.image_id for one in few} <= {one.image_id for one in more}, (
        "a larger sample holds the smaller"
    )
    assert [sum(one.info["zone"] == zone for one in few) for zone in ("far", "close")] == [3, 3]
    assert {one.info["airport"] for one in few if one.info["zone"] == "far"} == {"A", "B"}
    assert all(one.image_id % 7 for one in balanced(pictures, 999, 1, "x"))
    with pytest.raises(DataError, match=r"coco/test.json: none of its 1 pictures has a required runway"):
        balanced([_picture(1, "far", "A", required=False)], 3, 0, "coco/test.json")


def test_the_runway_of_a_picture_is_its_target_else_the_nearest_else_the_largest() -> None:
    boxes = np.array([[0.0, 0, 5, 5], [0, 0, 50, 50], [0, 0, 20, 20]])
    ring = (np.array([[0.0, 0], [5, 0], [5, 5]]),) * 3
    picture = Picture(1, Path("x.png"), 64, 64, boxes, ring, np.array([False] * 3), {})
    assert runway_of(picture, [{"iscrowd": 0}] * 3) == 1
    assert runway_of(picture, [{"slant_m": 900.0}, {"slant_m": 1000.0}, {"slant_m": 800.0}]) == 2
    assert runway_of(picture, [{"slant_m": 9.0, "is_target": True}, {"slant_m": 1.0}, {"slant_m": 2.0}]) == 0
