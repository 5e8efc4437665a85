"""Croissant 1.0 JSON-LD of an exported image folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lard import __version__
from lard.export.common import LabelledFolder, one_line
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


_OBJECT_FIELDS = {
    "object_id": ("sc:Text", "Unique name of the object: its frame and its runway."),
    "frame_id": ("sc:Text", "The frame it is in."),
    "bbox": ("cr:BoundingBox", "Box of the part in the picture: x, y, width and height in pixels."),
    "runway": ("sc:Text", "Landing direction as seen."),
    "is_target": ("sc:Boolean", "Whether it is the runway that is approached."),
    "verdict": ("sc:Text", "IN_ODD where it must be found; others are ignored in scoring."),
    "visible_fraction": ("sc:Float", "Share of it that lies in the picture."),
    "truncated": ("sc:Boolean", "Whether a part lies beyond the picture's edge."),
}
OBJECT_COLUMNS = tuple(_OBJECT_FIELDS)


def croissant(dataset: LabelledFolder, folder: Path, splits: list[str]) -> dict[str, Any]:
    """Croissant description of the folder: per split its pictures, frames and objects, with boxes."""
    files = [found for split in splits for found in _files(folder, split)]
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": one_line(dataset.info.get("name", dataset.folder.name)) or "runways",
        "description": (
            f"{len(dataset.frames)} cockpit views of runways on approach at "
            f"{dataset.frames['airport'].n_unique()} airports, every runway in view labelled; see README.md."
        ),
        "version": __version__,
        "license": _licences(dataset),
        "distribution": files,
        "recordSet": [found for split in splits for found in (_frames(split), _objects(split))],
    }


def _licences(dataset: LabelledFolder) -> list[str]:
    if dataset.manifest is None:
        return ["unknown"]
    return sorted(one_line(name) or "unknown" for name in dataset.manifest["licence"].unique().to_list())


def _files(folder: Path, split: str) -> list[dict[str, Any]]:
    """The files of a split: frames, objects, pictures."""
    pictures = {
        "@type": "cr:FileSet",
        "@id": f"{split}-images",
        "name": f"{split}-images",
        "description": f"Pictures of the {split} split.",
        "encodingFormat": "image/jpeg",
        "includes": f"data/{split}/*.jpg",
    }
    return [
        _table(folder, f"{split}-metadata", f"data/{split}/metadata.jsonl", f"Frames of the {split} split"),
        _table(folder, f"{split}-objects", f"objects/{split}.jsonl", f"Objects of the {split} split"),
        pictures,
    ]


def _table(folder: Path, name: str, relative: str, what: str) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": name,
        "name": name,
        "description": f"{what}, one JSON object per line.",
        "contentUrl": relative,
        "encodingFormat": "application/jsonlines",
        "sha256": sha256_file(folder / relative),
    }


def _frames(split: str) -> dict[str, Any]:
    """Frames of a split, each with its picture."""
    fields = [_field(split, name, *stated, f"{split}-metadata") for name, stated in _FIELDS.items()]
    by_name = {"fileSet": {"@id": f"{split}-images"}, "extract": {"fileProperty": "filename"}}
    fields[0]["references"] = by_name
    picture = {
        "@type": "cr:Field",
        "@id": f"{split}/image",
        "name": f"{split}/image",
        "description": "The picture.",
        "dataType": "sc:ImageObject",
        "source": {"fileSet": {"@id": f"{split}-images"}, "extract": {"fileProperty": "content"}},
    }
    return _records(split, f"Frames of the {split} split.", f"{split}/frame_id", [*fields, picture])


def _objects(split: str) -> dict[str, Any]:
    """Runways in the pictures of a split."""
    name = f"{split}_objects"
    fields = [_field(name, field, *stated, f"{split}-objects") for field, stated in _OBJECT_FIELDS.items()]
    return _records(name, f"Runways in the pictures of the {split} split.", f"{name}/object_id", fields)


def _records(name: str, what: str, key: str, fields: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "description": what,
        "key": {"@id": key},
        "field": fields,
    }


def _field(records: str, name: str, kind: str, description: str, table: str) -> dict[str, Any]:
    """A column of a table as a field of a record set."""
    return {
        "@type": "cr:Field",
        "@id": f"{records}/{name}",
        "name": f"{records}/{name}",
        "description": description,
        "dataType": kind,
        "source": {"fileObject": {"@id": table}, "extract": {"column": name}},
    }
