"""What abbreviations and thresholds of the pages mean; a page explains those that it uses."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache

TERMS: Mapping[str, str] = {
    "ODD": "operational design domain: the conditions that a detector is meant for, as a spec declares them",
    "DQR": "data quality requirement: a statement about a dataset that a program can judge",
    "IN_ODD": "verdict of a runway inside the domain: a detector must find it",
    "IN_EXTENDED_ODD": "verdict of a runway in the margins of the domain: found or not, it does not count",
    "OUT_OF_ODD": "verdict of a runway outside the domain and its margins: found or not, it does not count",
    "COMPLIANT": "verdict: every requirement that applies passes",
    "COMPLIANT WITH REMARKS": "verdict: none of severity error fails; warnings or waivers limit the claim",
    "NOT COMPLIANT": "verdict: a requirement of severity error fails",
    "INCONCLUSIVE": "verdict: evidence that a requirement of severity error needs could not be had",
    "AP": "average precision: area under precision over recall, mean over IoU 0.50 to 0.95 in steps of 0.05",
    "AP50": "average precision where a box counts as right from IoU 0.50 on",
    "AP75": "average precision where a box counts as right from IoU 0.75 on",
    "AR100": "average recall: share of runways found in at most 100 boxes a picture, mean over these IoU",
    "IoU": "intersection over union: area shared by two boxes over the area that both cover",
    "F1": "harmonic mean of precision and recall",
    "precision": "share of detections that are right",
    "recall": "share of required runways that are found",
    "ECE": "expected calibration error: how far scores are from the share of right detections",
    "GMAC": "billions of multiplications with addition (multiply-accumulate) that one picture takes",
    "MiB": "mebibyte: 1,048,576 bytes",
    "Lipschitz": "a bound L on how far outputs move for a unit change (L2 norm) of the picture",
    "L2": "Euclidean norm: the square root of the sum of squares",
    "eps": "size of the change of a picture's pixels, which lie in [0, 1], in the norm named",
    "CI": "confidence interval",
    "jackknife": "spread of a figure judged by leaving out one airport after the other",
    "Holm": "Holm's adjustment of p for the number of comparisons made at once",
    "sign-flip": "test that flips signs of differences: p is the share of flips at least as extreme",
    "operating point": "the score from which on detections count",
    "false alarms": "detections that are no runway, counted per picture",
    "ILS": "instrument landing system: the radio beams that an aircraft follows to the runway",
    "dot": "half of the full scale of an ILS pointer",
    "localiser": "the ILS beam that shows deviations to the side",
    "glide path": "the ILS beam that shows deviations up and down",
    "protection level": "bound on a position's error that is exceeded with the stated risk at most",
    "cross-track": "distance beside the extended centreline",
    "LTP": "landing threshold point: middle of the runway's threshold, at its elevation",
    "PnP": "perspective-n-point: the camera's pose from known points and their places in the picture",
    "ICAO": "International Civil Aviation Organization; codes of airports are its four letters",
    "FAA": "Federal Aviation Administration of the United States",
    "FCOS": "fully convolutional one-stage object detector, which needs no anchor boxes",
    "ONNX": "Open Neural Network Exchange: a file format of trained networks",
    "COCO": "layout of ground truth and results that the Common Objects in Context dataset introduced",
    "LARD": "Landing Approach Runway Detection, the public dataset of this task",
    "JUnit": "layout of test results that continuous integration reads",
    "SHA-256": "digest of a file's bytes: equal digests mean equal files",
    "UTC": "coordinated universal time",
    "PROJ": "library of coordinate transformations that checks use as a second path",
    "EXIF": "data that cameras write into picture files, such as the orientation",
    "NM": "nautical mile, 1852 m",
    "px": "pixels; px², square pixels",
}
"""Term: its meaning. Terms are found as whole words; of several that begin alike the longest counts."""

SYMBOLS: Mapping[str, str] = {
    "L": "Lipschitz constant: how far the logits move at most for a unit change (L2 norm) of the picture",
    "p": "chance of a difference at least as large if the models were alike",
    "95 %": "confidence interval at level 0.95 of the mean over airports",
    "lateral": "angle at the landing threshold between the extended centreline and the camera, from above",
    "vertical": "angle at the vertical reference point between the runway's plane and the camera",
    "along track": "distance before the landing threshold along the extended centreline",
    "yaw offset": "angle between the camera's axis and the runway's heading, clockwise from above",
}
"""Terms too short or too common to be looked for in texts: templates name them."""

THRESHOLDS: Mapping[str, str] = {
    "along_m": "m along the approach within which two approaches are the same one",
    "angle_deg": "degrees within which angles of two approaches are the same",
    "at_width_px": "width of the picture that limits in pixels refer to; others are scaled",
    "attitude_deg": "degrees within which two attitudes are the same",
    "bins": "number of equal bins that each range is cut into",
    "confidence": "confidence of the statement about the failure rate",
    "declared_share": "share of frames without a runway that is declared",
    "failure_rate": "failure rate that the samples shall show not to be exceeded",
    "max_airport_share": "largest share of frames that one airport may have",
    "max_along_track_m": "largest distance before the threshold of runways that are measured",
    "max_area": "largest area of a box, as a share of the picture",
    "max_aspect": "largest width over height of a box",
    "max_away_km": "largest distance of a camera from its airport",
    "max_box_px": "largest deviation of a box from the one computed anew",
    "max_cameras": "largest number of different cameras",
    "max_clipped": "largest share of pixels that are black or white to the full",
    "max_common_px": "largest shift that the labels of a group may have in common",
    "max_correlation": "largest rank correlation of two parameters",
    "max_deg": "largest deviation of an angle from the one computed anew",
    "max_distance": "largest distance of two distribution functions, 0 to 1",
    "max_environment_distance": "largest distance of the distributions of a condition, 0 to 1",
    "max_flat": "largest share of a picture's lowest third that has no structure",
    "max_flat_share": "largest share of a picture that shows a flat colour beyond the imagery",
    "max_frames": "largest share of pictures that show too much of what lies beyond the imagery",
    "max_gap": "largest difference between a declared and a counted share",
    "max_ident_deg": "largest angle between a runway's heading and the number in its name",
    "max_jump_ratio": "how many times more lines may jump at one place than around it",
    "max_jump_share": "largest share of lines that jump at one place",
    "max_length_m": "largest length of a runway",
    "max_m": "largest distance to the value computed anew, or to the reference",
    "max_mean": "largest mean brightness, of 255",
    "max_median": "largest median of the deviation, relative to distance or picture height",
    "max_median_px": "largest median distance between outlines and edges in the picture",
    "max_missing": "number of runways that may be in view without a label",
    "max_near_share": "largest share of pictures that look like another one",
    "max_night_mean": "largest mean brightness of a picture that is stated to be by night, of 255",
    "max_outlier_share": "largest share of pictures or runways beyond the limit of outliers",
    "max_outline_px": "largest distance between a box and its outline",
    "max_outside": "largest share of frames outside limits and rules of their zone",
    "max_outside_px": "how far a box may reach beyond its picture",
    "max_p95": "largest 95th percentile of the deviation, relative to the distance",
    "max_p99_px": "largest 99th percentile of the deviation of corners",
    "max_painted_share": "largest share of a picture that shows painted ground beyond the imagery",
    "max_px": "largest deviation of a single corner",
    "max_ratio": "how many times more pictures of an airport a source may have than of another",
    "max_reciprocal_m": "largest distance between the corners of the two directions of one runway",
    "max_repeated_share": "largest share of frames whose approach recurs at another runway",
    "max_samples": "number of frames that are measured at most",
    "max_scale": "largest deviation of the scale of outlines, as a fraction",
    "max_share": "largest share of frames or boxes that may offend",
    "max_shown_px2": "largest area that an airport may take in pictures of another set",
    "max_sun_deg": "largest deviation of the sun's elevation or azimuth",
    "max_terrain_m": "largest height difference between a runway and the terrain",
    "max_tilt_deg": "largest median turn of the horizons of a group",
    "max_time_h": "largest deviation of the local time, hours",
    "max_width_m": "largest width of a runway",
    "max_zone_gap": "largest deviation of a zone's share in a set, relative to the declared one",
    "min_airports": "smallest number of airports of a training or test set",
    "min_area": "smallest area of a box, as a share of the picture",
    "min_area_px2": "smallest area that counts",
    "min_aspect": "smallest width over height of a box",
    "min_centre_cells": "smallest share of the picture's cells that centres of boxes reach",
    "min_day_mean": "smallest mean brightness of a picture that is stated to be by day, of 255",
    "min_dim_entropy_bit": "smallest entropy of grey levels of a picture by night or in fog",
    "min_distance_km": "smallest distance between airports of different sets",
    "min_entropy_bit": "smallest entropy of grey levels of a picture",
    "min_length_classes": "smallest number of classes of runway length",
    "min_length_m": "smallest length of a runway",
    "min_mean": "smallest mean brightness, of 255",
    "min_p": "a difference counts when chance gives it less often than this",
    "min_p_others": "the same where the spec declares no law for the parameter",
    "min_per_bin": "smallest number of frames in a bin",
    "min_regions": "smallest number of ICAO regions (first letters of codes)",
    "min_relative_share": "smallest share of a condition in a set, relative to that of the dataset",
    "min_sectors": "smallest number of heading sectors of 30 degrees",
    "min_share": "smallest share that must be reached",
    "min_share_of_mean": "smallest number of frames in a bin, as a share of the mean over bins",
    "min_sharpness": "smallest variance of the picture's Laplacian, below which it is out of focus",
    "min_side_px": "smallest side of a required box",
    "min_sigmas": "standard deviations from which on a deviation is not chance",
    "min_test_airports": "smallest number of test airports",
    "min_visibility_m": "smallest visibility of frames that are looked at",
    "min_width_classes": "smallest number of classes of runway width",
    "min_width_m": "smallest width of a runway",
    "min_width_px": "smallest width of runways that are measured",
    "near_bits": "bits of 256 in which the hashes of two pictures that look alike may differ",
    "near_m": "thresholds nearer than this are those of one airport",
    "outlier": "deviation from which on a single picture is an outlier, relative to picture height",
    "outlier_px": "deviation from which on a single runway is an outlier",
    "overlay_samples": "pictures of each source in which something that stands still is looked for",
    "position_m": "m within which two positions are the same",
    "quantile": "outer share of boxes that limits of area and shape leave aside",
    "relative_tolerance": "deviation of a zone's share from the declared one, relative to that one",
    "sets": "names of the sets that there must be",
    "slack": "deviation that rounding may cause at a bound",
    "tolerance": "largest deviation of a share",
    "watermark_px": "height of the bands above and below that are declared to hold a watermark",
}
"""Threshold of a requirement: its meaning, the same wherever the name occurs."""


def threshold_meaning(name: str, requirement: str) -> str:
    """What a threshold limits; of one that has no text here, which requirement uses it."""
    return THRESHOLDS.get(name, f"limit that {requirement} uses; `lard dqr explain` tells more")


def meaning(term: str) -> str:
    """The meaning of a term or symbol."""
    return TERMS[term] if term in TERMS else SYMBOLS[term]


@cache
def pattern() -> re.Pattern[str]:
    """Matches every term as a whole word, the longest first; plurals of abbreviations too."""
    terms = "|".join(re.escape(term) for term in sorted(TERMS, key=len, reverse=True))
    return re.compile(rf"(?<![\w-])({terms})(?![\w-])")


def explained(used: Iterable[str]) -> list[tuple[str, str]]:
    """Terms with their meanings in the alphabet's order, as a glossary shows them."""
    return [(term, meaning(term)) for term in sorted(set(used), key=lambda term: (term.casefold(), term))]
