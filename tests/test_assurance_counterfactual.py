"""Counterfactuals are never nearer than certified, exact where known; masks guarantee what they say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from assurance_support import bounded, constant_of, linear, picture_at, view_at
from robust_support import SPEC, random_net, tight_net

from lard.assurance.certified_masks import (
    EPS,
    certified_shares,
    firing_radii,
    silent_radii,
    sufficient_share,
)
from lard.assurance.counterfactual import counterfactual
from lard.assurance.deletion import SHARES, Curves, curves_of
from lard.assurance.methods import METHODS, MapPlan
from lard.assurance.reach import receptive_margins
from lard.assurance.view import Sight, View, view_of
from lard.detect.audit import audit
from lard.detect.checkpoint import Checkpoint, exported
from lard.detect.data import Picture
from lard.detect.decode import boxes_of
from lard.detect.fcos import LipschitzFcos, build
from lard.detect.loss import flatten
from lard.robust.certify import Reach, firing

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("bias", [0.4, -0.4])
def test_of_a_linear_detector_it_is_the_distance_to_its_plane(tmp_path: Path, bias: float) -> None:
    """Norm |f| / |w| on both sides of the boundary, and the certificate is tight."""
    net = linear(bias=bias, seed=3)
    view = view_at(net, picture_at(tmp_path), bounded(net))
    with torch.no_grad():
        value = float(view.score(view.pixels))
    found = counterfactual(view)
    assert found.fired == (value > 0)
    expected = abs(value) / constant_of(net)
    assert found.norm == pytest.approx(expected, rel=0.03)
    assert found.certificate == pytest.approx(expected, rel=1e-3)
    assert found.ratio is not None and 1 <= found.ratio < 1.04
    plain = counterfactual(view_at(net, picture_at(tmp_path)))
    assert plain.norm == pytest.approx(found.norm) and plain.certificate is None and plain.ratio is None


def lipschitz_view(folder: Path, net: LipschitzFcos, seed: int, above: float) -> tuple[View, Picture, Sight]:
    """A picture whose runway is the box of a location, and the point that its logit stands above."""
    rng = np.random.default_rng(seed)
    pixels = rng.normal(128, 25, (40, 40, 3)).clip(20, 235).astype(np.uint8)
    cv2.imwrite(str(folder / "noise.png"), pixels)
    seen = torch.from_numpy(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)).permute(2, 0, 1)[None].float() / 255
    with torch.no_grad():
        levels = net(seen)
    cell = int(rng.integers(30, 70))
    limit = (float(flatten(levels)[0][0][cell]) - above) * net.spec.temperature
    box = boxes_of(levels, net.spec.strides_px)[0][cell].double().numpy()
    ring = np.array([box[[0, 1]], box[[2, 1]], box[[2, 3]], box[[0, 3]]])
    picture = Picture(1, folder / "noise.png", 40, 40, box[None], (ring,), np.array([False]), {})
    sight = Sight(net, audit(net), float(1 / (1 + np.exp(-limit))), receptive_margins(net))
    return view_of(sight, picture, 0, np.zeros(2)), picture, sight


@pytest.mark.parametrize("above", [0.05, -0.3])
@pytest.mark.parametrize("make", [random_net, tight_net])
def test_none_is_nearer_than_certified(tmp_path: Path, make, above: float) -> None:  # type: ignore[no-untyped-def]
    """Whatever the network: the ratio is 1 or more; and there is one to be found."""
    found = []
    for seed in range(3):
        view, _, _ = lipschitz_view(tmp_path, make(seed), seed, above)
        turned = counterfactual(view)
        if turned.change is None:
            continue
        with torch.no_grad():
            now, then = (float(view.score(one)) for one in (view.pixels, view.pixels + turned.change))
        assert (now > 0) != (then > 0), "the change turns the decision"
        changed = view.pixels + turned.change
        assert float(changed.min()) >= 0 and float(changed.max()) <= 1
        assert turned.ratio is not None
        found.append(turned.ratio)
    assert len(found) >= 2 and min(found) >= 1


def test_a_model_that_normalises_its_frames_is_seen_whole(tmp_path: Path) -> None:
    """Every pixel moves the mean of the frame; the certificate counts that, and still none is nearer."""
    spec = SPEC.model_copy(update={"normalise": True})
    torch.manual_seed(2)
    net = exported(build(spec), spec)
    assert isinstance(net, LipschitzFcos)
    view, _, _ = lipschitz_view(tmp_path, net, 2, 0.3)
    assert view.window == (0, 0, 40, 40) and view.cut_off < 1e-5
    assert view.reach is not None and view.reach.contrast is not None
    turned = counterfactual(view)
    assert turned.fired and turned.ratio is not None and turned.ratio >= 1


def test_its_certificate_is_that_of_the_certificates(tmp_path: Path) -> None:
    net = random_net(1)
    view, picture, sight = lipschitz_view(tmp_path, net, 1, 0.05)
    told = firing(Checkpoint(net, "random", {}, audit(net)), picture, sight.score)
    turned = counterfactual(view)
    assert turned.fired and told.radii()[0] > 0
    assert turned.certificate == pytest.approx(told.radii()[0], rel=1e-4)


def test_masks_guarantee_what_they_say(tmp_path: Path) -> None:
    """No counterfactual of a masked picture is nearer than the radius that the mask certifies."""
    checked = 0
    for seed in range(3):
        view, _, _ = lipschitz_view(tmp_path, tight_net(seed), seed, 0.2)
        assert view.reach is not None
        heat = METHODS["gradient"](view, view.pixels, MapPlan(), RNG)
        curves = curves_of(view, view.pixels, heat.values, 4)
        radii = {
            "kept": firing_radii(curves.inserted, view.reach),
            "covered": silent_radii(curves.deleted, view.reach),
        }
        order = np.argsort(-heat.values.ravel(), kind="stable")
        for place in (1, 2, 3):
            chosen = np.zeros(order.size, bool)
            chosen[order[: round(SHARES[place] * order.size)]] = True
            best = torch.from_numpy(chosen.reshape(heat.values.shape))[None, None]
            part, fill = view.field.cut(view.pixels), view.field.fill(view.pixels)
            for kind, kept in (("kept", best), ("covered", ~best)):
                masked = view.field.put(torch.where(kept, part, fill), view.pixels)
                turned = counterfactual(replace(view, scene=replace(view.scene, pixels=masked)))
                radius = radii[kind][place]
                if radius > 0 and turned.norm is not None:
                    assert turned.norm >= radius
                    checked += 1
    assert checked >= 4


def test_shares_of_masks_are_the_least_that_hold() -> None:
    """Of a constant of 1 and curves whose logits are known."""
    rising = np.array([-0.5, -0.2, 0.06, 0.12, 0.3, 0.6])[:, None]
    curves, reach = Curves(-rising, rising), Reach(1.0)
    assert [sufficient_share(curves, eps, reach) for eps in EPS] == [0.1, 0.1, 0.2, 0.4]
    told = certified_shares(curves, reach)
    assert list(told["necessary"].values()) == [0.1, 0.1, 0.2, 0.4]
    assert sufficient_share(curves, 0.7, reach) is None
    assert certified_shares(curves, None) == {"sufficient": {"0": 0.1}, "necessary": {"0": 0.1}}
    with pytest.raises(ValueError, match="Lipschitz"):
        sufficient_share(curves, 0.1, None)


def test_a_detector_that_no_pixel_moves_has_none(tmp_path: Path) -> None:
    net = linear(bias=1.0)
    with torch.no_grad():
        net.look.weight.zero_()
    found = counterfactual(view_at(net, picture_at(tmp_path)))
    assert found.fired and found.change is None and found.norm is None


def test_the_networks_of_these_tests_are_lipschitz() -> None:
    assert SPEC.family == "lip-fcos" and audit(tight_net(0)).constant == pytest.approx(1, abs=1e-3)
