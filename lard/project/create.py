"""A project's folder: what is asked for is checked with runways, domain and imagery, then written at once."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2

from lard.airports.files import SHIPPED, open_database
from lard.airports.model import Airport, RunwayDatabase
from lard.errors import AirportError, DataError, SourceError, SpecError
from lard.export.common import staged_folder
from lard.ground.fetched.local import raster_paths
from lard.ground.fetched.plan import BEYOND_NOTHING, BEYOND_PAINTED
from lard.ground.fetched.providers import RASTER, split_spec
from lard.odd import load_spec
from lard.odd.shipped import find_spec
from lard.project.imagery import Imagery, check_template, fit_rasters, raster_source, relative_source
from lard.scenario.splits import assign_splits, neighbour_groups
from lard.tables import write_text

PAINTED = "painted"
SPEC_FILE = "odd.yaml"
_PAINTED_GSD_M, _TILES = 0.25, {"gsd_m": 0.5, "reach_m": 3000.0, "levels": 5}
_TEMPLATES = Path(__file__).parent / "templates"
_DVC_CONFIG = "[core]\n    no_scm = true\n    analytics = false\n    autostage = false\n"
_DVC_IGNORE = (
    "# held while a stage writes a folder, and what an interrupted training goes on from\n.*.lock\n.resume\n"
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a project is asked to hold."""

    airports: tuple[str, ...]
    runways: str = SHIPPED
    ground: str = PAINTED
    odd: str = "lard_v2"
    n: int = 1500
    seed: int = 1
    split: Mapping[str, Any] | None = None
    gsd_m: float | None = None
    beyond: str = ""
    allow_hosts: tuple[str, ...] = ()
    licence: str = ""
    attribution: str = ""
    benchmark: bool = False


def create_project(folder: str | Path, wanted: Wanted) -> dict[str, list[str]]:
    """Check everything, write the folder, and return its airports by split."""
    folder = Path(folder)
    _refuse_taken(folder)
    with staged_folder(folder) as staging:
        database = open_database(wanted.runways)
        airports = _airports(database, wanted)
        spec = find_spec(wanted.odd)
        load_spec(spec)
        splits = _splits(database, airports, wanted)
        ground, files = _ground(folder, airports, wanted)
        runways = wanted.runways if wanted.runways == SHIPPED else _seen_from(folder, wanted.runways)
        shutil.copyfile(spec, staging / SPEC_FILE)
        values = {
            "runways": runways, "shipped": SHIPPED, "ground": ground, "painted": PAINTED, "files": files,
            "odd": SPEC_FILE, "n": wanted.n, "seed": wanted.seed, "airports": [a.icao for a in airports],
            "split": {name: splits[name] for name in ("val", "test") if splits[name]},
            "benchmark": wanted.benchmark,
        }  # fmt: skip
        for name in ("params.yaml", "dvc.yaml"):
            write_text(_filled(name, values), staging / name)
        write_text(_DVC_CONFIG, staging / ".dvc/config")
        write_text(_DVC_IGNORE, staging / ".dvcignore")
    return splits


def _refuse_taken(folder: Path) -> None:
    """DataError where a project cannot be begun in a folder."""
    if not str(folder).isprintable():
        raise DataError(f"{str(folder)!r}: holds characters that cannot be shown; name the folder otherwise")
    if folder.exists() and folder.resolve() == Path.cwd():
        raise DataError(f"{folder}: is where you are; name a new folder, which is made")
    if folder.is_symlink() or (folder.exists() and (not folder.is_dir() or any(folder.iterdir()))):
        raise DataError(f"{folder}: exists and is not an empty folder; name a new one, which is made")


def _airports(database: RunwayDatabase, wanted: Wanted) -> list[Airport]:
    """The airports of the database; AirportError names --runways."""
    if not wanted.airports:
        raise AirportError("--airport: no code given; expected one such as LFPO")
    found = {database.airport(code).icao: database.airport(code) for code in wanted.airports}
    return [found[code] for code in sorted(found)]


def _splits(database: RunwayDatabase, airports: list[Airport], wanted: Wanted) -> dict[str, list[str]]:
    """Airports of train, val and test: as asked for, else some of each where there are enough."""
    codes = [airport.icao for airport in airports]
    split = wanted.split
    if split is None:
        groups = len(neighbour_groups(database, codes))
        if groups == 1:  # a detector trained elsewhere is tested there
            split = {"test": codes}
        else:
            split = {"test": 0.2} if groups == 2 else {"val": 0.2, "test": 0.2}
    assigned = assign_splits(database, codes, split, wanted.seed)
    splits = {name: [c for c in codes if assigned[c] == name] for name in ("train", "val", "test")}
    if wanted.benchmark and not (splits["train"] and splits["test"]):
        raise SpecError(
            "--benchmark: needs an airport to train on and another to test on, more than 10 km apart; found "
            f"{len(splits['train'])} and {len(splits['test'])}: name more with --airport or change --split"
        )
    return splits


def _ground(folder: Path, airports: list[Airport], wanted: Wanted) -> tuple[dict[str, Any], list[str]]:
    """Section `ground` of params.yaml, and the files it reads as seen from the folder."""
    credits = {k: v for k in ("licence", "attribution") if (v := getattr(wanted, k))}
    if wanted.gsd_m is not None and not 0.05 <= wanted.gsd_m <= 8:
        raise SourceError(f"--gsd {wanted.gsd_m:g}: expected 0.05 to 8 metres")
    if wanted.ground == PAINTED:
        if credits:
            raise SpecError(f"--{next(iter(credits))}: is for imagery; painted ground has its own")
        if wanted.beyond or wanted.allow_hosts:
            option = "--beyond" if wanted.beyond else "--allow-host"
            raise SpecError(
                f"{option}: is for imagery; painted ground needs no network and reaches the horizon"
            )
        gsd_m = _PAINTED_GSD_M if wanted.gsd_m is None else wanted.gsd_m
        return {"gsd_m": gsd_m, "season": "summer", "seed": wanted.seed}, []
    file = wanted.ground.startswith(f"{RASTER}:") or ":" not in wanted.ground or Path(wanted.ground).exists()
    source = raster_source(wanted.ground) if file else wanted.ground
    if split_spec(source)[0] == RASTER:
        beyond = wanted.beyond or BEYOND_PAINTED  # a photo seldom reaches the horizon
        fit = fit_rasters(source, airports, wanted.gsd_m, beyond)
        paths = raster_paths(source)
        request: dict[str, Any] = {"gsd_m": fit.gsd_m, "reach_m": fit.reach_m, "levels": fit.levels}
    else:
        check_template(source)
        paths, beyond = [], wanted.beyond or BEYOND_NOTHING
        request = _TILES | ({} if wanted.gsd_m is None else {"gsd_m": wanted.gsd_m})
    request["beyond"] = beyond
    if wanted.allow_hosts:
        request["allow_hosts"] = list(wanted.allow_hosts)
    imagery = Imagery(source=relative_source(source, folder), **request, **credits)
    _ = imagery.request  # the resolution is checked there
    stated = {"source": imagery.source, **request, **credits}
    return stated, [_seen_from(folder, path) for path in paths]


def _seen_from(folder: Path, path: str | Path) -> str:
    """A path as written in a folder's files, relative to it, so that both may be moved together."""
    return os.path.relpath(os.path.realpath(path), folder.resolve())


def _filled(name: str, values: Mapping[str, Any]) -> str:
    """A template of a project with its values."""
    loader = jinja2.FileSystemLoader(_TEMPLATES)
    environment = jinja2.Environment(
        loader=loader, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True,
        keep_trailing_newline=True, autoescape=False,
    )  # fmt: skip
    environment.filters["text"] = lambda value: json.dumps(value, ensure_ascii=False)
    return environment.get_template(f"{name}.j2").render(values)
