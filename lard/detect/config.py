"""Parameters of models, training and prediction, checked once when params.yaml is read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from lard.detect.clutter import USUAL, ClutterPart
from lard.detect.corner_spec import CORNER_PRESETS, CornerSpec, speaks_of_corners
from lard.detect.presets import PRESETS, from_preset
from lard.documents import checked, read_yaml
from lard.errors import SpecError
from lard.score.protocols import Benchmark, Protocol, ScoreSpec

_Channels = Annotated[int, Field(ge=1, le=4096)]
_Depth = Annotated[int, Field(ge=0, le=64)]
_Scale = Annotated[float, Field(ge=0.1, le=8)]

Precision = Literal["float32", "bfloat16", "auto"]
"""Of the networks' arithmetic; auto: bfloat16 where the device computes in it."""


class _Params(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class RankSpec(_Params):
    """Numbers of `loss: ap`, about scores in [0, 1]; the defaults are those of ROADMAP (NeurIPS 2021).

    `calibration` is the share of the margins, that positives reach and negatives stay below, in the loss.
    """

    tau: float = Field(default=0.01, gt=0, le=1)
    delta: float = Field(default=0.05, ge=0, le=1)
    slope: float = Field(default=100.0, gt=0, le=1e6)
    negatives: int = Field(default=200, ge=1, le=100_000)
    calibration: float = Field(default=0.0, ge=0, lt=1)
    positive_margin: float = Field(default=0.9, gt=0, le=1)
    negative_margin: float = Field(default=0.6, ge=0, lt=1)

    @model_validator(mode="after")
    def _consistent(self) -> RankSpec:
        if self.negative_margin >= self.positive_margin:
            raise ValueError(
                f"negative_margin {self.negative_margin} must be below positive_margin {self.positive_margin}"
            )
        return self


class BagSpec(_Params):
    """Numbers of `loss: bag`, about logits, which are norms of pixels for a 1-Lipschitz network.

    A runway's locations are to stand above zero by the norm min(`margin`, `share` of its erasure energy), the
    background below zero by `background`; margins rise from a tenth over the first `ramp` of the steps.
    """

    shape: Literal["hinge", "emma"] = "hinge"
    over: Literal["zero", "background"] = "zero"  # what a runway's margin is counted from
    margin: float = Field(default=1.0, gt=0, le=1e3)
    share: float = Field(default=0.4, gt=0, le=0.5)  # half is what a threshold half-way leaves
    background: float = Field(default=0.1, gt=0, le=1e3)
    ramp: float = Field(default=0.0, ge=0, le=1)
    sharpness: float = Field(default=20.0, gt=0, le=1e3)  # of shape: emma, by which its logits are raised
    weight: float = Field(default=10.0, gt=0, le=1e4)  # against the loss of the boxes
    background_weight: float = Field(default=6.0, gt=0, le=1e4)  # of a picture against one runway


class MuonSpec(_Params):
    """Numbers of `optimiser: muon`, which turns orthogonal matrices.

    `turn` is the angle in radians of a step at the peak rate, `momentum` the share of it that a step keeps.
    """

    turn: float = Field(default=0.01, gt=0, le=0.5)  # beyond, one step back to orthogonality is too short
    momentum: float = Field(default=0.9, ge=0, lt=1)


class ModelSpec(_Params):
    """Architecture and loss of one detector; widths are channels at strides 2, 4, 8, 16 and so on.

    `base` takes the parameters of a preset, which the others then change.
    """

    family: Literal["fcos", "lip-fcos", "seg", "lip-seg"]
    widths: tuple[_Channels, ...] = Field(default=(16, 32, 64, 96), min_length=3, max_length=8)
    depths: tuple[_Depth, ...] = Field(default=(1, 1, 2, 2), min_length=3, max_length=8)
    pyramid: int = Field(default=32, ge=4, le=4096)
    towers: int = Field(default=2, ge=0, le=64)
    side_limits_px: tuple[float, ...] = (32.0, 96.0)
    centre_radius: float = Field(
        default=1.5, gt=0, le=16
    )  # in strides: locations of a runway about its centre
    loss: Literal["focal", "hinge", "ap", "bag"] = "focal"
    rank: RankSpec | None = None  # of loss: ap; None: its defaults
    bag: BagSpec | None = None  # of loss: bag; None: its defaults
    temperature: float = Field(default=1.0, gt=0)
    margin: float = Field(default=0.5, gt=0)
    offset: float = Field(
        default=0.0, ge=0
    )  # of logits, that the focal loss asks for beyond zero on both sides
    certified_boxes: bool = (
        False  # of lip-fcos: boxes by the certified branch, in one constant with the logits
    )
    box_gain: float = Field(default=4.0, gt=0, le=1e3)  # of its units: larger boxes, sooner moved
    normalise: bool = False  # see pixels against the mean and deviation of their frame
    learning_rate: float = Field(default=2e-3, gt=0)
    optimiser: Literal["adamw", "muon"] = "adamw"  # of the orthogonal matrices
    muon: MuonSpec | None = None  # of optimiser: muon; None: its defaults
    steps: int | None = Field(default=None, ge=1)  # instead of the training section's

    @model_validator(mode="before")
    @classmethod
    def _from_preset(cls, given: Any) -> Any:
        return from_preset(given, PRESETS)

    @model_validator(mode="after")
    def _consistent(self) -> ModelSpec:
        if len(self.depths) != len(self.widths):
            raise ValueError(f"depths has {len(self.depths)} entries, expected {len(self.widths)} as widths")
        if len(self.side_limits_px) != self.levels - 1:
            raise ValueError(
                f"side_limits_px has {len(self.side_limits_px)} entries, expected {self.levels - 1}"
            )
        if list(self.side_limits_px) != sorted(self.side_limits_px):
            raise ValueError("side_limits_px must increase")
        if self.segments and (self.loss != "focal" or self.certified_boxes):
            raise ValueError("seg and lip-seg models have neither boxes nor another loss than focal")
        if self.lipschitz and any(width % 8 for width in (*self.widths, self.pyramid)):
            raise ValueError("widths and pyramid of a Lipschitz model must be multiples of 8")
        if self.rank is not None and self.loss != "ap":
            raise ValueError(f"rank belongs to loss: ap, found loss: {self.loss}")
        if self.bag is not None and self.loss != "bag":
            raise ValueError(f"bag belongs to loss: bag, found loss: {self.loss}; set loss: bag")
        if self.muon is not None and self.optimiser != "muon":
            raise ValueError(
                f"muon belongs to optimiser: muon, found optimiser: {self.optimiser}; set optimiser: muon"
            )
        if self.optimiser == "muon" and not self.lipschitz:
            raise ValueError(
                f"optimiser: muon turns orthogonal matrices, and a {self.family} model has none;"
                " set optimiser: adamw, or family: lip-fcos or lip-seg"
            )
        if self.loss == "bag" and self.offset:
            raise ValueError("loss: bag has the margins of bag instead of an offset; set offset: 0")
        if self.loss == "ap" and self.offset:
            raise ValueError("loss: ap has the margins of rank instead of an offset; set offset: 0")
        if not self.lipschitz and self.certified_boxes:
            raise ValueError("certified_boxes belongs to lip-fcos models")
        if not self.lipschitz and (self.loss in ("hinge", "bag") or self.temperature != 1.0 or self.offset):
            raise ValueError("loss: hinge and bag, temperature and offset belong to Lipschitz models")
        return self

    @property
    def lipschitz(self) -> bool:
        """Whether its logits move by no more than its pixels."""
        return self.family in ("lip-fcos", "lip-seg")

    @property
    def segments(self) -> bool:
        """Whether it answers with a logit for each pixel instead of boxes."""
        return self.family in ("seg", "lip-seg")

    @property
    def levels(self) -> int:
        """Number of pyramid levels."""
        return len(self.widths) - 1

    @property
    def strides_px(self) -> tuple[int, ...]:
        """Stride of each pyramid level, finest first."""
        return tuple(4 * 2**level for level in range(self.levels))


class ShippedModel(_Params):
    """A detector that comes with the package and takes part as it is."""

    shipped: str = Field(min_length=1, max_length=100)


class TrainSpec(_Params):
    """Schedule and data of a training run; one batch is `batch` crops, spread evenly over `processes`.

    A batch is computed in `parts`, which the processes share: their number decides bytes, that of the
    processes does not. On GPUs each process is one part.
    """

    steps: int = Field(default=1600, ge=1)
    batch: int = Field(default=24, ge=1)
    crops_per_image: int = Field(default=4, ge=1)
    crop_px: int = Field(default=192, ge=64, multiple_of=32)
    centred_share: float = Field(default=0.7, ge=0, le=1)
    near_share: float = Field(default=0.15, ge=0, le=1)
    horizon_share: float = Field(default=0.0, ge=0, le=1)
    positives: Literal["required", "visible"] = "visible"
    zoom: float = Field(default=1.0, ge=1, le=4)
    clutter: float = Field(default=0.0, ge=0, le=1)  # share of crops with clutter around their runways
    clutter_parts: tuple[ClutterPart, ...] = USUAL
    warmup: float = Field(default=0.05, ge=0, lt=1)
    weight_decay: float = Field(default=1e-4, ge=0)
    clip_norm: float = Field(default=10.0, gt=0)
    ema: float = Field(default=0.998, ge=0, lt=1)
    processes: int = Field(default=2, ge=1)
    parts: int | None = Field(
        default=None, ge=1
    )  # None: 4, 2, 3 or 1, the first that divides a batch's pictures
    device: Literal["cpu", "cuda"] = "cpu"
    precision: Precision = "float32"
    compile: bool = False  # the network, by torch.compile
    seed: int = 0
    save_every: int = Field(default=100, ge=1)
    validate_every: int = Field(default=250, ge=0)  # steps; 0: never
    validate_frames: int = Field(default=64, ge=1)  # of the validation split, evenly drawn

    @model_validator(mode="after")
    def _consistent(self) -> TrainSpec:
        if self.batch % (self.crops_per_image * self.processes):
            raise ValueError(
                f"batch {self.batch} must be a multiple of crops_per_image x processes"
                f" = {self.crops_per_image * self.processes}"
            )
        visits = self.batch // self.crops_per_image
        if visits % self.pieces or self.pieces % self.processes:
            raise ValueError(
                f"{self.processes} processes cannot share evenly the {self.pieces} parts of a batch of"
                f" {visits} pictures; set parts to a multiple of processes that divides {visits}"
            )
        if self.compile and self.pieces != self.processes:
            raise ValueError(
                f"compile: each process has to compute one part of a batch; set parts to {self.processes}"
            )
        if self.centred_share + self.near_share + self.horizon_share > 1 + 1e-9:
            raise ValueError("centred_share + near_share + horizon_share must be at most 1")
        return self

    @property
    def pieces(self) -> int:
        """Number of parts that a batch is computed in."""
        if self.device == "cuda":
            return self.processes
        visits = self.batch // self.crops_per_image
        return self.parts or next(parts for parts in (4, 2, 3, 1) if visits % parts == 0)


class PredictSpec(_Params):
    """Post-processing of predictions; the number of processes changes the speed, never the result.

    `batch` may change the last digits of scores, as kernels for more pictures sum in other orders.
    """

    split: str = Field(default="test", min_length=1)
    score_floor: float = Field(default=0.02, ge=0, lt=1)
    nms_iou: float = Field(default=0.3, gt=0, le=1)  # chosen on the validation airports
    per_level: int = Field(default=300, ge=1)
    max_boxes: int = Field(default=100, ge=1)
    scales: tuple[_Scale, ...] = Field(
        default=(1.0,), min_length=1, max_length=8
    )  # of pictures, all searched
    relative: bool = False  # scores against the best of the same picture
    blend: bool = False  # of several scales the geometric mean of scores and the mean of boxes
    device: Literal["cpu", "cuda"] = "cpu"
    precision: Precision = "float32"  # of the networks' arithmetic
    batch: int = Field(default=1, ge=1, le=1024)  # pictures of one size that a network sees at once

    @field_validator("scales")
    @classmethod
    def _once(cls, scales: tuple[float, ...]) -> tuple[float, ...]:
        if len(set(scales)) < len(scales):
            raise ValueError("names a scale twice; name each once")
        return scales


class Params(_Params):
    """The sections of params.yaml that the detect stages read.

    Entries `{shipped: NAME}` of the models section, which nothing trains, stand apart in `shipped_models`,
    corner models in `corner_models`.
    """

    models: dict[str, ModelSpec] = Field(default_factory=dict)
    corner_models: dict[str, CornerSpec] = Field(default_factory=dict)
    shipped_models: dict[str, ShippedModel] = Field(default_factory=dict)
    train: TrainSpec = TrainSpec()
    predict: PredictSpec = PredictSpec()
    score: ScoreSpec = ScoreSpec()
    protocols: dict[str, Protocol] = Field(default_factory=dict)
    benchmark: Benchmark | None = None

    @model_validator(mode="before")
    @classmethod
    def _apart(cls, given: Any) -> Any:
        models = given.get("models") if isinstance(given, Mapping) else None
        if not isinstance(models, Mapping):
            return given
        ready = {name: one for name, one in models.items() if isinstance(one, Mapping) and "shipped" in one}
        corners = {name: one for name, one in models.items() if name not in ready and speaks_of_corners(one)}
        rest = {name: one for name, one in models.items() if name not in {*ready, *corners}}
        return {**given, "models": rest, "shipped_models": ready, "corner_models": corners}

    def model(self, name: str) -> ModelSpec:
        """Return one model's parameters, those of the file before a preset's; SpecError names the known."""
        if name in self.models:
            return self.models[name]
        if self.corner_model(name) is not None:
            raise SpecError(f"models.{name}: a corner model, no detector; lard train trains it by itself")
        if name not in PRESETS:
            own = sorted({*self.models, *self.corner_models})
            known = ", ".join([*own, *(n for n in (*PRESETS, *CORNER_PRESETS) if n not in own)])
            raise SpecError(f"models.{name}: no such model; the parameter file and the presets have {known}")
        return ModelSpec.model_validate(PRESETS[name])

    def corner_model(self, name: str) -> CornerSpec | None:
        """The parameters of a corner model, of the file before a preset's; None where it is none."""
        if name in self.corner_models:
            return self.corner_models[name]
        if name in self.models or name not in CORNER_PRESETS:
            return None
        return CornerSpec.model_validate(CORNER_PRESETS[name])

    def protocol(self, name: str) -> Protocol:
        """Return one protocol; SpecError names the known ones."""
        if name not in self.protocols:
            known = ", ".join(sorted(self.protocols)) or "none"
            raise SpecError(f"protocols.{name}: no such protocol; the parameter file has {known}")
        return self.protocols[name]


SECTIONS = tuple(name for name in Params.model_fields if name not in ("shipped_models", "corner_models"))


def read_params(path: str | Path = "params.yaml") -> Params:
    """Read the detect sections of a parameter file; every error of the file at once."""
    path = Path(path)
    document = read_yaml(path, error=SpecError, absent="give a parameter file with --config")
    if not isinstance(document, Mapping):
        raise SpecError(f"{path}: expected a mapping with the sections {', '.join(SECTIONS)}")
    return parse_params({key: document[key] for key in SECTIONS if key in document}, str(path))


def parse_plan(document: Mapping[str, Any]) -> TrainSpec:
    """Check training parameters that were changed after params.yaml was read."""
    return parse_params({"train": dict(document)}, "train").train


def parse_params(document: Mapping[str, Any], where: str) -> Params:
    """Check parameters already read; `where` names their file in errors."""
    return checked(Params, document, where, error=SpecError)
