"""Light, colour, sharpness and haze of each group of pictures, against what is stated and other groups."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lard.quality.checks.strays import strays
from lard.quality.dataset import Dataset, sources_of
from lard.quality.frames import far_sighted
from lard.quality.groups import WHOLE, groups_of
from lard.quality.measures.chroma import displaced
from lard.quality.measures.pictures import COLOURS_PX, SKETCH_PX
from lard.quality.model import Offence

Array = NDArray[np.float64]

CLEAR_M = 10_000.0  # stated visibility of pictures whose look can be foretold
HIGH_SUN_DEG = 8.0
FEWEST = 8  # pictures of a group
SIGMAS = 5.0
BESIDE_PX = 1.0  # of colour against brightness; saved at half the size it may lie half a pixel beside
BETTER = 3.2  # standard errors; where colour and brightness are tied at all, they are where they should be
ENOUGH = 4  # airports on both sides, that tell their spread from the gap between the sides
TELLING = ("visibility_m", "pitch_deg", "sun_elevation_deg")  # of the colour of a sky
KEPT = ("detail", "noise", "comb", "blocks", "repeats", "motion", "colour_lags")  # of pictures
PER_COLUMN = 8  # pictures for each number that is estimated of them
# a far zone is seen from higher up, more flatly and through more air, over dark ground the more so
MORE_AIR = {"dark": 1.5, "sky_tint": 2.0, "motion": 1.5}
BY_NATURE = 2.5  # snow, sand and forest differ more from airport to airport than any lens or light
BLUE = 60.0  # grey values by which a clear sky is bluer than red; a veil takes half of them


@dataclass(frozen=True, slots=True)
class Look:
    """A measure of how a picture looks: its name, what more and less of it is, what difference counts."""

    name: str
    more: str
    less: str
    floor: float
    sigmas: float = SIGMAS


LOOKS = (
    Look("sky", "brighter", "darker", 15.0),
    Look(
        "sky_tint", "bluer above, as with stretched levels,", "paler above, as with levels 16 to 235,", 0.02
    ),
    Look("ground", "brighter on the ground", "darker on the ground", 45.0),
    Look("sky_colour", "bluer", "redder", 15.0),
    Look("ground_colour", "bluer on the ground", "redder on the ground", 25.0),
    Look("saturation", "more colourful", "paler, as in haze or without colour", 0.45),
    Look("detail", "sharper", "less sharp", 0.25),
    Look("noise", "noisier", "smoother, as after strong compression", 1.0),
    Look("dark", "hazier", "of deeper shadows", 40.0),
    Look("sky_green", "greener above", "less green above", 0.05),
    Look("motion", "more smeared up and down", "more smeared along their rows, as by motion,", 0.9, 4.0),
    Look("flat", "more of one plain grey, as where a tile of the ground is missing", "less plain", 0.05),
)
# limits of the median of a group by day in clear air: measure, least, most, what is said
STATED = (
    ("blue_sky", -20.0, np.inf, "red and blue look exchanged: the sky is redder than the ground"),
    ("sky", 95.0, np.inf, "look too dark for the stated day in clear air"),
    ("white", -np.inf, 200.0, "look too bright for the stated day in clear air"),
    ("detail", -0.8, np.inf, "look blurred or enlarged"),
    ("veil", -np.inf, 110.0, "look hazier than the stated visibility"),
    ("comb", -np.inf, 1.3, "interlace two fields: odd and even rows do not belong together"),
)


def looks(data: Dataset, pictures: pl.DataFrame) -> list[Offence]:
    """Groups by day in clear air that do not look so, or unlike the other groups of their kind and source."""
    if data.frames is None:
        return []
    values = _values(data, pictures)
    if not len(values):
        return []
    groups = groups_of(data)
    offences: dict[tuple[str, str], Offence] = {}
    for name, ids in groups.items():
        inside = values.filter(pl.col("frame_id").is_in(list(ids)))
        if len(inside) >= (1 if name == WHOLE else FEWEST):
            found = _against_stated(name, inside)
            found += _displaced(name, inside) if len(inside) >= FEWEST else []
            offences |= {(name, o.message): o for o in found}
    for source in values["source"].unique().sort().to_list():
        part = values.filter(pl.col("source") == source)
        for kind in ("airport", "zone", "set", "camera"):
            members = {name: ids for name, ids in groups.items() if name.split(" ")[0] == kind}
            offences |= {(o.subject, o.message): o for o in _against_others(part, members)}
    stated = data.frames.unique("frame_id", keep="first").with_columns(pl.col("frame_id").cast(pl.String))
    stated = values.select("frame_id").join(stated, on="frame_id", how="left", maintain_order="left")
    return [*offences.values(), *strays(values, stated)]


def _values(data: Dataset, pictures: pl.DataFrame) -> pl.DataFrame:
    """One row of LOOKS for each picture that is stated to be by day, in clear air, not at sunset."""
    assert data.frames is not None
    frames = data.frames.unique("frame_id", keep="first", maintain_order=True)
    frames = frames.filter(far_sighted(data, frames, CLEAR_M))
    if "sun_elevation_deg" in frames.columns:
        frames = frames.filter((pl.col("sun_elevation_deg") > HIGH_SUN_DEG).fill_null(True))
    airport = frames["airport"] if "airport" in frames.columns else pl.Series([None] * len(frames))
    sources = sources_of(data)
    chosen = pl.DataFrame(
        {
            "frame_id": frames["frame_id"].cast(pl.String),
            "airport": airport.cast(pl.String).fill_null(""),
            "image": [data.image_of.get(str(name), "") for name in frames["frame_id"].to_list()],
            "source": [sources.get(str(name), "") for name in frames["frame_id"].to_list()],
        },
        schema=dict.fromkeys(("frame_id", "airport", "image", "source"), pl.String),
    )
    drawn = pictures.filter(pl.col("fault") == "").drop_nulls(["sketch", "colours"])
    joined = chosen.join(
        drawn.select("image", "sketch", "colours", "flat_share", *KEPT),
        on="image",
        how="inner",
    )
    if not len(joined):
        return joined
    colours = np.stack([np.frombuffer(raw, np.uint8) for raw in joined["colours"]]).astype(np.float64)
    colours = colours.reshape(-1, COLOURS_PX, COLOURS_PX, 3)
    sketch = np.stack([np.frombuffer(raw, np.uint8) for raw in joined["sketch"]]).reshape(
        -1, SKETCH_PX, SKETCH_PX
    )
    # the upper fifth is sky and the lower third ground in nearly every picture of an approach
    above, below = colours[:, :3].mean(axis=(1, 2)), colours[:, -6:].mean(axis=(1, 2))
    pale = np.abs(colours - colours.mean(axis=3, keepdims=True)).mean(axis=(1, 2, 3))
    shadows = np.quantile(sketch[:, 3 * SKETCH_PX // 4 :].reshape(len(joined), -1), 0.02, axis=1)
    # air lifts all three colours, bright sand leaves blue dark: the darkest colour tells them apart
    shadows = shadows * (below.min(axis=1) + 1.0) / (below.mean(axis=1) + 1.0)
    green = np.log2(above[:, 1] + 1.0) - np.log2((above[:, 0] + 1.0) * (above[:, 2] + 1.0)) / 2
    tint = np.log2((above[:, 0] + 1.0) / (above[:, 2] + 1.0))
    told = frames.select(
        pl.col("frame_id").cast(pl.String), *(name for name in TELLING if name in frames.columns)
    )
    told = joined.select("frame_id").join(told, on="frame_id", how="left", maintain_order="left")
    return joined.select(
        "frame_id", "airport", "source", *(name for name in KEPT if name != "noise")
    ).with_columns(
        pl.Series("sky_green", green),
        pl.Series("sky_tint", unexplained(tint, told.drop("frame_id"))),
        joined["flat_share"].alias("flat"),
        pl.Series("sky", above.mean(axis=1)),
        pl.Series("ground", below.mean(axis=1)),
        pl.Series("sky_colour", above[:, 0] - above[:, 2]),
        pl.Series("ground_colour", below[:, 0] - below[:, 2]),
        pl.Series("blue_sky", above[:, 0] - above[:, 2] - below[:, 0] + below[:, 2]),
        pl.Series("saturation", np.log2(pale + 0.5)),
        pl.Series("noise", np.log2(joined["noise"].to_numpy() + 1.0)),
        pl.Series("dark", shadows),
        # snow and sand are as bright without: what veils them veils the sky as well
        pl.Series("white", np.minimum(above.mean(axis=1), below.mean(axis=1))),
        pl.Series("veil", np.where(above[:, 0] - above[:, 2] < BLUE, shadows, 0.0)),
    )


def unexplained(values: Array, told: pl.DataFrame) -> Array:
    """What is left of values (n,) when what columns tell of them is taken off: linear, square and mixed.

    The colour of a sky follows the air, the height looked at and the sun, whatever the exposure is.
    """
    known = [told[name].cast(pl.Float64).fill_null(np.nan).to_numpy() for name in told.columns]
    known = [(k - k.mean()) / k.std() for k in known if np.isfinite(k).all() and k.std() > 0]
    columns = [np.ones(len(values)), *known, *(a * b for k, a in enumerate(known) for b in known[k:])]
    if len(values) < PER_COLUMN * len(columns):
        columns = columns[:1]
    matrix, weights = np.column_stack(columns), np.ones(len(values))
    rest = values
    for _ in range(10):
        found = np.linalg.lstsq(matrix * weights[:, None], values * weights, rcond=None)[0]
        rest = values - matrix @ found
        weights = 1.0 / np.sqrt(1.0 + (rest / (1.5 * _spread(rest) + 1e-9)) ** 2)
    return np.asarray(rest, np.float64)


def _against_stated(name: str, values: pl.DataFrame) -> list[Offence]:
    offences = []
    for column, least, most, story in STATED:
        median = float(np.median(values[column].to_numpy()))
        if not least <= median <= most:
            text = f"{len(values)} pictures {story} ({median:.3g} in the median)"
            offences.append(Offence(name, median, text.replace("pictures red", "pictures: red")))
    return offences


def _displaced(name: str, values: pl.DataFrame) -> list[Offence]:
    """Colour planes of a group that lie beside its brightness."""
    lags = np.array(values["colour_lags"].to_list(), np.float64)
    return [
        Offence(
            name,
            abs(px),
            f"the colours of {len(values)} pictures lie beside their brightness: {way} by {px:+.1f} px",
        )
        for way, px, sigmas in displaced(lags)
        if abs(px) > BESIDE_PX and sigmas > BETTER
    ]


def _against_others(values: pl.DataFrame, groups: Mapping[str, frozenset[str]]) -> list[Offence]:
    """Groups whose median is further from that of the others than chance and different airports explain."""
    rows = {
        name: np.flatnonzero(values["frame_id"].is_in(list(ids)).to_numpy()) for name, ids in groups.items()
    }
    rows = {name: inside for name, inside in rows.items() if len(inside) >= FEWEST}
    if len(rows) < 2:
        return []
    airports = values["airport"].to_numpy()
    offences = []
    for look in LOOKS:
        every = values[look.name].to_numpy()
        medians = {name: float(np.median(every[inside])) for name, inside in rows.items()}
        usual = _spreads(every, airports)
        for name, inside in rows.items():
            rest = np.delete(every, inside)
            gap = medians[name] - float(np.median(rest if len(rest) else every))
            count = len(np.unique(airports[inside]))
            between, within = usual
            if min(count, len(np.unique(np.delete(airports, inside)))) >= ENOUGH:
                level = every.copy()
                level[inside] -= gap
                between, within = _spreads(level, airports)
            error = float(np.hypot(between / np.sqrt(count), within / np.sqrt(len(inside))))
            # of two groups alike in size either may be the wrong one: both are named
            aside = _allowed(look.name, name)
            if abs(gap) > look.floor * aside and abs(gap) > look.sigmas * error:
                word = look.more if gap > 0 else look.less
                text = f"{len(inside)} pictures are {word} than those of the other groups ({gap:+.3g})"
                offences.append(Offence(name, abs(gap), text))
    return offences


def _allowed(look: str, group: str) -> float:
    """How many times a look's limit a group may differ from the others for what it shows."""
    if group.startswith("airport ") and look in ("ground", "ground_colour", "dark"):
        return BY_NATURE
    return MORE_AIR.get(look, 1.0) if group.startswith("zone ") else 1.0


def _spreads(values: Array, airports: NDArray[Any]) -> tuple[float, float]:
    """Standard deviation between the medians of airports, and of all values."""
    medians = [float(np.median(values[airports == one])) for one in np.unique(airports)]
    return _spread(np.array(medians)), _spread(values)


def _spread(values: Array) -> float:
    """Standard deviation of a sample as its middle half tells it."""
    return float(np.subtract(*np.quantile(values, [0.75, 0.25])) / 1.35) if len(values) > 1 else 0.0
