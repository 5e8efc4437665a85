"""A sheet of one view under many conditions, to look at."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lard.airports.model import Runway
from lard.camera import Camera, Poses
from lard.render.conditions import Conditions
from lard.render.view import Scene, render_view

_COLUMNS = 3
_GAP_PX = 6


def sheet_conditions(heading_deg: float) -> dict[str, dict[str, Any]]:
    """What each picture of the sheet differs in from the view's own conditions, by caption."""
    left, ahead = (heading_deg - 70.0) % 360.0, (heading_deg + 12.0) % 360.0
    wet: dict[str, Any] = {"rain_mm_h": 8.0, "cloud_fraction": 1.0, "visibility_m": 7000.0}
    return {
        "clear day": {},
        "low sun, 7 deg": {"sun_elevation_deg": 7.0, "sun_azimuth_deg": left},
        "sun in the eyes, 2 deg": {"sun_elevation_deg": 2.0, "sun_azimuth_deg": ahead},
        "dusk, sun -4 deg": {"sun_elevation_deg": -4.0, "sun_azimuth_deg": ahead},
        "night": {"sun_elevation_deg": -20.0},
        "night, rain 8 mm/h": {"sun_elevation_deg": -20.0, **wet},
        "half clouded": {"cloud_fraction": 0.5, "cloud_base_m": 1500.0},
        "overcast at 300 m": {"cloud_fraction": 1.0, "cloud_base_m": 300.0, "visibility_m": 12000.0},
        "rain 8 mm/h": wet,
        "ground fog, 40 m deep": {"fog_top_m": 40.0, "fog_visibility_m": 700.0},
        "haze, 2.5 km": {"visibility_m": 2500.0},
        "roll 25 deg/s, 20 ms": {"shutter_ms": 20.0, "roll_rate_deg_s": 25.0, "yaw_rate_deg_s": 8.0},
        "noise 12, -1 EV": {"noise_sigma": 12.0, "exposure_ev": -1.0},
        "defocus 2 px, vignette": {"defocus_px": 2.0, "vignette_fraction": 0.5},
        "watermark bands": {"watermark_px": 36},
    }


def condition_sheet(
    scene: Scene, runway: Runway, pose: Poses, camera: Camera, base: Conditions
) -> NDArray[np.uint8]:
    """Pictures of one pose side by side, each with its caption."""
    pictures = []
    for caption, changes in sheet_conditions(runway.heading_deg).items():
        image = render_view(scene, pose, camera, replace(base, **changes))
        pictures.append(_captioned(image, caption))
    blank = np.full_like(pictures[0], 255)
    pictures += [blank] * (-len(pictures) % _COLUMNS)
    gap = np.full((pictures[0].shape[0], _GAP_PX, 3), 255, np.uint8)
    rows = []
    for start in range(0, len(pictures), _COLUMNS):
        row = [part for picture in pictures[start : start + _COLUMNS] for part in (gap, picture)][1:]
        rows += [np.concatenate(row, axis=1), np.full((_GAP_PX, 1, 3), 255, np.uint8)]
    width = rows[0].shape[1]
    return np.concatenate([np.broadcast_to(row, (row.shape[0], width, 3)) for row in rows[:-1]])


def _captioned(image: NDArray[np.uint8], caption: str) -> NDArray[np.uint8]:
    """A picture with a line of text above it."""
    height = max(round(image.shape[1] / 24), 14)
    band = np.full((height, image.shape[1], 3), 255, np.uint8)
    scale = height / 34
    place = (4, round(0.72 * height))
    cv2.putText(band, caption, place, cv2.FONT_HERSHEY_SIMPLEX, scale, (30, 30, 30), 1, cv2.LINE_AA)
    return np.concatenate([band, image])
