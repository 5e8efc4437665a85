"""By which spec and runways a frames table is labelled: those it names, unless others are asked for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from lard.airports import RunwayDatabase
from lard.airports.files import SHIPPED, open_database
from lard.airports.provenance import is_named, is_older_name
from lard.errors import DataError
from lard.odd import OddSpec, load_spec
from lard.odd.shipped import shipped_by_content
from lard.tables import ORIGIN, sha256_file

DEFAULT_SPEC = "lard_v2"
"""What judges frames that name no spec: scenarios of others, tables of older versions."""


def named(frames: pl.DataFrame, columns: tuple[str, ...]) -> list[tuple[str, ...]]:
    """Distinct values of ORIGIN columns that frames state."""
    if any(name not in frames.columns for name in columns):
        return []
    stated = frames.select(pl.col(name).cast(ORIGIN[name]) for name in columns)
    return stated.drop_nulls().unique().sort(columns).rows()


def judging_spec(frames: pl.DataFrame, asked: str | None = None) -> tuple[OddSpec, str, str]:
    """The spec to judge frames by, its name or path, and a note for the user ("" when nothing is odd).

    Without one asked for it is the spec whose content the frames name; DataError when that is not shipped.
    """
    specs = named(frames, ("odd", "odd_version", "odd_sha256"))
    drawn = ", ".join(f"{name} {version} (sha256 {sha[:12]})" for name, version, sha in specs)
    if asked:
        spec = load_spec(asked)
        other = any(sha != spec.sha256 for _, _, sha in specs)
        note = f"judged by {spec.name} {spec.version} as asked; the frames were drawn from {drawn}"
        return spec, asked, note if other else ""
    if len(specs) > 1:
        raise DataError(
            f"frames were drawn from {len(specs)} specs, {drawn}; say with --odd which one judges"
        )
    if not specs:
        note = f"the frames name no spec; judged by {DEFAULT_SPEC}, another one with --odd"
        return load_spec(DEFAULT_SPEC), DEFAULT_SPEC, note
    path = shipped_by_content(specs[0][2])
    if path is None:
        raise DataError(f"frames were drawn from {drawn}, which is not shipped; give its file with --odd")
    spec = load_spec(path)
    note = f"the frames call it {specs[0][0]} {specs[0][1]}; by its content it is {spec.name} {spec.version}"
    return spec, path.stem, "" if specs[0][:2] == (spec.name, spec.version) else note


def dataset_spec(frames: pl.DataFrame | None, info: Mapping[str, Any]) -> tuple[OddSpec, str] | None:
    """The spec that a dataset.json names, else the one the frames were drawn from; None where none is named.

    It is found by its content among the shipped ones, or where dataset.json says, else DataError.
    """
    stated = info.get("odd")
    odd = stated if isinstance(stated, dict) and stated.get("sha256") else {}
    names = [(str(odd.get("name")), str(odd.get("version")), str(odd["sha256"]))] if odd else []
    if not names and frames is not None:
        names = [(a, b, c) for a, b, c in named(frames, ("odd", "odd_version", "odd_sha256"))]
    if not names:
        return None
    shown = ", ".join(f"{name} {version} (sha256 {sha[:12]})" for name, version, sha in names)
    if len(names) > 1:
        raise DataError(
            f"frames were drawn from {len(names)} specs, {shown}; say with --odd which one judges"
        )
    path, beside = shipped_by_content(names[0][2]), Path(str(odd.get("file") or ""))
    if path is None and beside.is_file() and sha256_file(beside) == names[0][2]:
        path = beside
    if path is None:
        raise DataError(
            f"the dataset's spec is {shown}, which is neither shipped nor here; give its file with --odd"
        )
    return load_spec(path), path.name


def labelling_database(
    frames: pl.DataFrame, asked: str | None = None, done: str = "labelled by"
) -> tuple[RunwayDatabase, str]:
    """The runways to label frames by, and a note for the user; the shipped ones only if frames were drawn on
    them or say nothing, another database must be asked for."""
    database = open_database(asked or SHIPPED)
    bases = named(frames, ("runway_db", "runway_db_version"))
    ours = f"{database.name} {database.version}"
    others = [" ".join(base) for base in bases if not is_named(database, *base)]
    if others and not asked:
        raise DataError(
            f"frames were drawn on the runways {', '.join(others)}, not on the shipped {ours}; name theirs "
            f"with --runways, or --runways {SHIPPED} to take the shipped ones all the same"
        )
    older = [" ".join(base) for base in bases if is_older_name(database, *base)]
    if others:
        return database, f"{done} {ours} as asked; the frames were drawn on {', '.join(others)}"
    if older:
        text = f"the frames name {', '.join(older)}, a version of before versions told content"
        return database, f"{text}; {done} {ours}, which may say something else"
    return database, ""
