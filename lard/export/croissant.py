"""Croissant 1.0 JSON-LD of an exported image folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lard import __version__
from lard.export.common import LabelledFolder
from lard.tables import sha256_file

_CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}

_FIELDS = {
    "file_name": ("sc:Text", "Name of the picture in its split's folder."),
    "frame_id": ("sc:Text", "Unique name of the frame."),
    "airport": ("sc:Text", "ICAO code of the airport."),
    "runway": ("sc:Text", "Landing direction that is approached."),
    "zone": ("sc:Text", "Zone of the operational design domain."),
    "time_utc": ("sc:Text", "Time of the picture, UTC."),
    "width_px": ("sc:Integer", "Width of the picture."),
    "height_px": ("sc:Integer", "Height of the picture."),
    "fx_px": ("sc:Float", "Focal length, horizontal, pixels."),
    "fy_px": ("sc:Float", "Focal length, vertical, pixels."),
    "cx_px": ("sc:Float", "Principal point from the left edge, pixels."),
    "cy_px": ("sc:Float", "Principal point from the upper edge, pixels."),
    "lat_deg": ("sc:Float", "Latitude of the camera."),
    "lon_deg": ("sc:Float", "Longitude of the camera."),
    "alt_m": ("sc:Float", "Altitude of the camera in metres."),
    "yaw_deg": ("sc:Float", "Clockwise from true north."),
    "pitch_deg": ("sc:Float", "Nose up is positive."),
    "roll_deg": ("sc:Float", "Right wing down is positive."),
}


def croissant(dataset: LabelledFolder, folder: Path, splits: list[str]) -> dict[str, Any]:
    """Croissant description of the folder: per split a metadata file, a set of pictures and its records."""
    tables = [_table(folder, split) for split in splits]
    pictures = [
        {
            "@type": "cr:FileSet",
            "@id": f"{split}-images",
            "name": f"{split}-images",
            "description": f"Pictures of the {split} split.",
            "encodingFormat": "image/jpeg",
            "includes": f"data/{split}/*.jpg",
        }
        for split in splits
    ]
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": str(dataset.info.get("name", dataset.folder.name)),
        "description": (
            f"{len(dataset.frames)} cockpit views of runways on approach at "
            f"{dataset.frames['airport'].n_unique()} airports, every runway in view labelled; see README.md."
        ),
        "version": __version__,
        "license": _licences(dataset),
        "distribution": [*tables, *pictures],
        "recordSet": [_records(split) for split in splits],
    }


def _licences(dataset: LabelledFolder) -> list[str]:
    if dataset.manifest is None:
        return ["unknown"]
    return sorted(dataset.manifest["licence"].unique().to_list())


def _table(folder: Path, split: str) -> dict[str, Any]:
    relative = f"data/{split}/metadata.jsonl"
    return {
        "@type": "cr:FileObject",
        "@id": f"{split}-metadata",
        "name": f"{split}-metadata",
        "description": f"Frames and objects of the {split} split, one JSON object per line.",
        "contentUrl": relative,
        "encodingFormat": "application/jsonlines",
        "sha256": sha256_file(folder / relative),
    }


def _records(split: str) -> dict[str, Any]:
    fields = [
        {
            "@type": "cr:Field",
            "@id": f"{split}/{name}",
            "name": f"{split}/{name}",
            "description": description,
            "dataType": kind,
            "source": {"fileObject": {"@id": f"{split}-metadata"}, "extract": {"column": name}},
        }
        for name, (kind, description) in _FIELDS.items()
    ]
    return {
        "@type": "cr:RecordSet",
        "@id": split,
        "name": split,
        "description": f"Frames of the {split} split.",
        "field": fields,
    }
