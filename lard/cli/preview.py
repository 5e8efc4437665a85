"""`lard preview`: one picture, or a sheet of pictures under many conditions, from a few numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from lard.cli.options import DEM_HELP, SEED, TERRAIN, runways_option

_NUMBERS = {
    "visibility": ("visibility_m", "Metres."),
    "cloud": ("cloud_fraction", "Share of the sky clouded, 0 to 1."),
    "cloud-base": ("cloud_base_m", "Metres above the airport."),
    "rain": ("rain_mm_h", "Millimetres an hour."),
    "fog-top": ("fog_top_m", "Metres above the airport; 0 is no fog."),
    "fog-visibility": ("fog_visibility_m", "Metres, within the fog."),
    "wetness": ("wetness_fraction", "Of the runways, 0 to 1; from the rain by default."),
    "lights": ("lights_fraction", "Stage of the airfield lights, 0 to 1; by darkness by default."),
    "exposure": ("exposure_ev", "Stops above the automatic exposure."),
    "shutter": ("shutter_ms", "Milliseconds, for motion blur with --rates."),
    "defocus": ("defocus_px", "Spread of the blur, pixels."),
    "noise": ("noise_sigma", "Sensor noise at noon, grey levels."),
    "vignette": ("vignette_fraction", "Darkening of the corners, 0 to 1."),
}
"""Options that set a field of lard.render.conditions.Conditions."""


def _condition_options(command: Any) -> Any:
    for option, (field, text) in reversed(_NUMBERS.items()):
        command = click.option(f"--{option}", field, type=float, help=text)(command)
    return command


@click.command()
@click.argument("airport")
@click.argument("runway")
@click.option(
    "--along", "along_track_m", default=1500.0, show_default=True, help="Metres before the threshold."
)
@click.option(
    "--lateral", "lateral_deg", default=0.0, show_default=True, help="Degrees right of the centreline."
)
@click.option("--vertical", "vertical_deg", default=3.0, show_default=True, help="Glide angle in degrees.")
@click.option(
    "--yaw", "yaw_offset_deg", default=0.0, show_default=True, help="Degrees right of the runway's course."
)
@click.option("--pitch", "pitch_deg", default=-3.0, show_default=True, help="Degrees, nose up positive.")
@click.option("--roll", "roll_deg", default=0.0, show_default=True, help="Degrees, right wing down positive.")
@click.option(
    "--fov", "fov_deg", default=60.0, show_default=True, help="Horizontal field of view in degrees."
)
@click.option("--size", default="1024x1024", show_default=True, help="Width x height in pixels.")
@click.option("--ground", default="data/ground", show_default=True, help="Folder with a folder per airport.")
@click.option("--dem", type=TERRAIN, help=DEM_HELP)
@click.option(
    "--date", default="2024-06-21", show_default=True, help="Year-month-day, for the sun with --time."
)
@click.option(
    "--time", "time", help="Mean solar time of the place, HH:MM.  [default: a high sun in the south]"
)
@click.option("--sun-elevation", type=float, help="Degrees, instead of --date and --time.")
@click.option("--sun-azimuth", type=float, help="Degrees from north, clockwise, with --sun-elevation.")
@click.option("--night", is_flag=True, help="Short for --sun-elevation -20.")
@_condition_options
@click.option("--rates", help="Degrees a second the camera turns: yaw,pitch,roll.")
@click.option("--watermark", "watermark_px", type=int, help="Height of watermark bands, pixels.")
@click.option(
    "--seed", default=0, show_default=True, type=SEED, help="Of noise, rain, drops and flashing lights."
)
@click.option("--sheet", type=click.Choice(["conditions"]), help="One sheet of many conditions instead.")
@runways_option
@click.option("--out", default="preview.jpg", show_default=True, help="Picture to write (.jpg or .png).")
def preview(
    airport: str, runway: str, along_track_m: float, lateral_deg: float, vertical_deg: float,
    yaw_offset_deg: float, pitch_deg: float, roll_deg: float, fov_deg: float, size: str, ground: str,
    dem: Path | None, date: str, time: str | None, sun_elevation: float | None, sun_azimuth: float | None,
    night: bool, rates: str | None, seed: int, sheet: str | None, runways: str, out: str,
    **values: float | None,
) -> None:  # fmt: skip
    """Render one view of a runway from a few numbers, under any light and weather.

    \b
    Examples:
      lard preview LFPO 06 --along 3000 --roll 5 --out view.jpg
      lard preview KATL 26L --along 400 --visibility 8000 --size 2448x2048
      lard preview LFPO 06 --night --rain 8 --visibility 6000 --out wet_night.png
      lard preview LFPO 06 --date 2024-12-21 --time 15:30 --out long_shadows.png
      lard preview LSZH 16 --dem shipped --along 5000 --out hills.jpg
      lard preview LFPO 06 --sheet conditions --size 768x576 --out sheet.png
    """
    import numpy as np
    from PIL import Image

    from lard.airports.files import open_database
    from lard.approach import Approaches, pose_of
    from lard.camera import Camera
    from lard.errors import DataError
    from lard.ground.terrain.dem import load_dem
    from lard.ground.terrain.shipped import in_use
    from lard.render.condition_sheet import condition_sheet
    from lard.render.conditions import Conditions
    from lard.render.view import load_scene, render_view
    from lard.tables import atomic_path
    from lard.written import keep_picture, save_picture

    keep_picture(Path(out))
    width, _, height = size.lower().partition("x")
    if not (width.isdecimal() and height.isdecimal()):
        raise DataError(f"--size {size!r}: expected width x height, for example 1024x1024")
    db = open_database(runways)
    place = db.airport(airport)
    end = place.runway(runway)
    given: dict[str, Any] = {name: value for name, value in values.items() if value is not None}
    if night and sun_elevation is not None:
        raise DataError("--night and --sun-elevation both place the sun; keep one")
    given |= _sun(date, time, -20.0 if night else sun_elevation, sun_azimuth, end.ltp[0]) | _turning(rates)
    given = {"noise_sigma": 1.0, **given, "noise_seed": seed, "noise_key": f"{place.icao}/{end.ident}"}
    conditions = Conditions(**given)
    camera = Camera.from_fov(int(width), int(height), fov_deg)
    model = load_dem(dem, db.altitude_datum).levelled_by(in_use(place, db)) if dem else None
    scene = load_scene(Path(ground) / place.icao, place, None, model)
    numbers = (along_track_m, lateral_deg, vertical_deg, yaw_offset_deg, pitch_deg, roll_deg)
    pose = pose_of(end, Approaches(*(np.array([value]) for value in numbers)))
    if sheet:
        image = condition_sheet(scene, end, pose, camera, conditions)
    else:
        image = render_view(scene, pose, camera, conditions)
    with atomic_path(out) as temporary:
        save_picture(Image.fromarray(image), temporary, quality=92, subsampling=0)
    click.echo(f"{out}: {place.icao} {end.ident} from {along_track_m:g} m")


def _sun(
    date: str, time: str | None, elevation: float | None, azimuth: float | None, lat_deg: float
) -> dict[str, float]:
    """Where the sun stands, by its angles or by date and time."""
    import datetime

    import numpy as np

    from lard.errors import DataError
    from lard.scenario.sun import azimuth_deg, elevation_deg

    if time is not None and elevation is not None:
        raise DataError("--time and --sun-elevation (or --night) both place the sun; keep one")
    if azimuth is not None and elevation is None:
        raise DataError("--sun-azimuth needs --sun-elevation as well")
    if elevation is not None:
        return {"sun_elevation_deg": elevation} | ({} if azimuth is None else {"sun_azimuth_deg": azimuth})
    if time is None:
        return {}
    try:
        day = datetime.date.fromisoformat(date).timetuple().tm_yday
    except ValueError as error:
        raise DataError(f"--date {date!r}: expected year-month-day, for example 2024-06-21") from error
    try:
        clock = datetime.time.fromisoformat(time)
    except ValueError as error:
        raise DataError(f"--time {time!r}: expected HH:MM, for example 18:30") from error
    where = np.array([float(day)]), np.array([clock.hour + clock.minute / 60]), np.array([lat_deg])
    return {
        "sun_elevation_deg": float(elevation_deg(*where)[0]),
        "sun_azimuth_deg": float(azimuth_deg(*where)[0]),
    }


def _turning(rates: str | None) -> dict[str, float]:
    """Rates of the camera from the text of --rates."""
    from lard.errors import DataError

    if rates is None:
        return {}
    try:
        yaw, pitch, roll = (float(part) for part in rates.split(","))
    except ValueError as error:
        raise DataError(f"--rates {rates!r}: expected yaw,pitch,roll, for example 3,0,15") from error
    return {"yaw_rate_deg_s": yaw, "pitch_rate_deg_s": pitch, "roll_rate_deg_s": roll}
