"""The audit measures the network as a whole: wiring that uses a feature twice is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from lard.detect.audit import audit, bound_of, certified_layers
from lard.detect.checkpoint import exported, load_detector, save_detector
from lard.detect.config import ModelSpec
from lard.detect.fcos import LipschitzFcos, build
from lard.detect.wiring import power_gain, wiring_gain
from lard.errors import ModelError

SPEC = ModelSpec(
    family="lip-fcos", widths=(8, 16, 16), depths=(1, 1, 1), pyramid=8, towers=1, side_limits_px=(32,)
)


torch.set_num_threads(1)


class Twice(LipschitzFcos):
    """The lateral of a stage goes to its level and, again, to the next stage."""

    def features(self, images: Tensor, frames: Tensor | None = None) -> list[Tensor]:
        """See LipschitzFcos; `x` is the lateral itself instead of the other half."""
        x = self.stem(self.centred(images, frames))
        laterals = []
        for stage in self.stages[:-1]:
            lateral, _ = stage(x).chunk(2, dim=1)
            x = lateral
            laterals.append(lateral)
        keep, down = self.merges[-1](self.stages[-1](x)).chunk(2, dim=1)
        return [self.merges[0](torch.cat((laterals[0], self.up(down)), dim=1)), keep]


class Louder(LipschitzFcos):
    """A gain between two layers, which no layer shows."""

    def features(self, images: Tensor, frames: Tensor | None = None) -> list[Tensor]:
        """See LipschitzFcos."""
        return [1.05 * feature for feature in super().features(images, frames)]


class Summed(LipschitzFcos):
    """A skip connection that is added instead of split."""

    def features(self, images: Tensor, frames: Tensor | None = None) -> list[Tensor]:
        """See LipschitzFcos."""
        fine, coarse = super().features(images, frames)
        return [fine + 0.5 * torch.nn.functional.interpolate(coarse, scale_factor=2), coarse]


@pytest.mark.parametrize("normalise", [False, True])
@pytest.mark.parametrize("export", [False, True])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_wiring_of_the_family_keeps_the_norm(seed: int, export: bool, normalise: bool) -> None:
    torch.manual_seed(seed)
    spec = SPEC.model_copy(update={"normalise": normalise})
    net = build(spec)
    if export:
        net = exported(net, spec)
    assert isinstance(net, LipschitzFcos)
    layers = [layer for _, layer in certified_layers(net)]
    assert wiring_gain(net, layers) == pytest.approx(1, abs=1e-5), "nothing is lost, nothing counted twice"
    assert 0.1 < power_gain(net) <= audit(net).network * (1 + 1e-6)
    assert wiring_gain(net, layers) == wiring_gain(net, layers), "the same probes each time"


@pytest.mark.parametrize("normalise", [False, True])
@pytest.mark.parametrize(("kind", "gain"), [(Twice, 2**0.5), (Louder, 1.05), (Summed, 1.4)])
def test_wiring_that_amplifies_is_refused(kind: type[LipschitzFcos], gain: float, normalise: bool) -> None:
    """Each layer passes, the whole does not."""
    torch.manual_seed(3)
    net = kind(SPEC.model_copy(update={"normalise": normalise})).eval()
    layers = certified_layers(net)
    assert bound_of(layers, 1.001).network < 1.001, "no layer is at fault"
    assert wiring_gain(net, [layer for _, layer in layers]) >= gain * 0.999
    with pytest.raises(ModelError, match="a feature is used more than once"):
        audit(net)


def test_a_part_that_nobody_audits_is_refused() -> None:
    net = LipschitzFcos(SPEC)
    net.extra = torch.nn.Conv2d(8, 8, 1)
    with pytest.raises(ModelError, match="extra: a part that the audit does not know"):
        audit(net)


def test_the_audit_leaves_the_network_as_it_was(tmp_path: Path) -> None:
    torch.manual_seed(4)
    net = build(SPEC)
    assert isinstance(net, LipschitzFcos)
    net.train()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    audit(net)
    assert net.training
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())
    for name in "ab":
        save_detector(exported(net, SPEC), "lip", SPEC, {}, tmp_path / f"{name}.pt")
    assert (tmp_path / "a.pt").read_bytes() == (tmp_path / "b.pt").read_bytes()
    with torch.inference_mode():
        assert load_detector(tmp_path / "a.pt").bound is not None
