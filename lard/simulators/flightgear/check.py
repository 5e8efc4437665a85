"""Whether FlightGear can be used on this machine, told line by line."""

import shutil
import time
from collections.abc import Iterator

from lard.errors import SourceError
from lard.simulators.core import SimulatorFault
from lard.simulators.flightgear.install import Installation, airport_meshes, find_installation
from lard.simulators.flightgear.process import cache_root
from lard.simulators.flightgear.runways import flightgear_runways
from lard.simulators.flightgear.settings import FlightGearSettings
from lard.simulators.flightgear.simulator import FlightGear

_FIRST_HOME_MB, _MEMORY_GB = 250, 2.2


def check_flightgear(start: bool = False) -> Iterator[str]:
    """What is there, and with `start` whether it starts; SourceError with the remedy for what is missing."""
    installation = find_installation()
    yield f"FlightGear {installation.version}: {installation.program}, data in {installation.root}"
    yield "Xvfb, dbus-daemon and setpriv: found"
    meshes = airport_meshes(installation.scenery)
    if not meshes:
        raise SourceError(
            f"no airport in {', '.join(map(str, installation.scenery))}; install flightgear-data-base or "
            "name a scenery folder in $FG_SCENERY"
        )
    database, _ = flightgear_runways(installation)
    ends = sum(len(airport.runways) for airport in database.airports.values())
    yield f"scenery: {len(meshes)} airports; {ends} paved landing directions, at"
    yield "  " + ", ".join(sorted(database.airports))
    yield "anywhere else there is no scenery, and frames there are refused"
    home = cache_root() / "flightgear"
    folder = next(path for path in (home, *home.parents) if path.exists())
    free_mb = shutil.disk_usage(folder).free / 1e6
    yield f"cache: {home}, {free_mb:.0f} MB free; each simulator needs {_FIRST_HOME_MB} MB"
    if free_mb < _FIRST_HOME_MB:
        raise SourceError(f"{folder}: {free_mb:.0f} MB free; make room or set LARD_CACHE to another folder")
    yield f"memory: about {_MEMORY_GB} GB for each simulator (--workers)"
    if start:
        yield _started(installation)


def _started(installation: Installation) -> str:
    """Start FlightGear in a small window and stop it."""
    simulator = FlightGear(installation, FlightGearSettings(supersample=1), {}, 0, (320, 240))
    begin = time.monotonic()
    try:
        simulator.start()
    except SimulatorFault as fault:
        raise SourceError(f"FlightGear does not start here: {fault}") from fault
    finally:
        simulator.stop()
    return f"started and answered within {time.monotonic() - begin:.0f} s"
