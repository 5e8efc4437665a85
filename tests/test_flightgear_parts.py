"""FlightGear's formats and numbers: meshes, screens, property trees, runways drawn, fields of view."""

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
from flightgear_fake import xwd
from hypothesis import given
from hypothesis import strategies as st
from render_scene import make_airport

from lard.airports.model import Runway
from lard.errors import DataError, SourceError
from lard.geodesy import ecef_from_geodetic, from_enu
from lard.simulators.flightgear.framebuffer import read_xwd
from lard.simulators.flightgear.mesh import Mesh, read_mesh
from lard.simulators.flightgear.properties import property_tree
from lard.simulators.flightgear.runways import drawn_end
from lard.simulators.flightgear.settings import FlightGearSettings, field_of_view_deg
from lard.simulators.flightgear.simulator import Seen

CENTRE = ecef_from_geodetic(47.0, 8.0, 400.0)
POINTS = np.array([[0, 0, 0], [10, 0, 0], [10, 5, 0], [0, 5, 0], [-3, 2, 1]], np.float32)


def block(data: bytes) -> bytes:
    return struct.pack("<I", len(data)) + data


def btg(version: int, parts: list[tuple[int, str, list[int]]]) -> bytes:
    """A mesh file: bounding sphere, vertices, and parts of a kind, a material and vertex numbers."""
    count, index = ("<I", "<u4") if version >= 10 else ("<H", "<u2")
    number = struct.Struct(count)

    def thing(kind: int, properties: list[bytes], elements: list[bytes]) -> bytes:
        head = struct.pack("<B", kind) + number.pack(len(properties)) + number.pack(len(elements))
        return head + b"".join(properties) + b"".join(block(element) for element in elements)

    things = [
        thing(0, [], [CENTRE.astype("<f8").tobytes() + struct.pack("<f", 20.0)]),
        thing(1, [], [POINTS.astype("<f4").tobytes()]),
    ]
    for kind, material, corners in parts:
        properties = [b"\0" + block(material.encode()), b"\1" + block(bytes([1 | 2 | 8]))]
        things.append(
            thing(kind, properties, [np.repeat(np.array(corners)[:, None], 3, 1).astype(index).tobytes()])
        )
    return struct.pack("<II", 0x53470000 | version, 0) + number.pack(len(things)) + b"".join(things)


@pytest.mark.parametrize("version", [7, 10])
def test_mesh_of_faces_strips_and_fans(tmp_path: Path, version: int) -> None:
    parts = [
        (10, "Grass", [0, 1, 2, 0, 2, 3]), (11, "pa_rest", [0, 1, 3, 2]), (12, "pa_aim", [4, 0, 1, 2]),
        (10, "Grass", [1, 2, 3]),
    ]  # fmt: skip
    path = tmp_path / "XTST.btg.gz"
    path.write_bytes(gzip.compress(btg(version, parts)))
    mesh = read_mesh(path)
    assert np.allclose(mesh.vertices_ecef, CENTRE + POINTS, atol=1e-6)
    assert mesh.triangles["Grass"].tolist() == [[0, 1, 2], [0, 2, 3], [1, 2, 3]]
    assert mesh.triangles["pa_rest"].tolist() == [[0, 1, 3], [2, 3, 1]]
    assert mesh.triangles["pa_aim"].tolist() == [[4, 0, 1], [4, 1, 2]]


@pytest.mark.parametrize("fault", ["cut", "magic", "version", "index", "gzip"])
def test_a_broken_mesh_is_told(tmp_path: Path, fault: str) -> None:
    data = btg(10, [(10, "Grass", [0, 1, 7 if fault == "index" else 2])])
    if fault == "magic":
        data = b"\0\0\0\0" + data[4:]
    elif fault == "version":
        data = struct.pack("<I", 0x53470000 | 12) + data[4:]
    elif fault == "cut":
        data = data[:-7]
    data = b"\x1f\x8b broken" if fault == "gzip" else gzip.compress(data)
    path = tmp_path / "XTST.btg.gz"
    path.write_bytes(data)
    with pytest.raises(SourceError, match="not a readable FlightGear mesh"):
        read_mesh(path)


def strip_mesh(runway: Runway, shift_m: float, width_m: float, shoulder_m: float, drop_m: float) -> Mesh:
    """A mesh of one runway: stopway, displaced part, threshold and rest, shoulders beside the first half."""
    forward = runway.axis_enu[:2] / np.hypot(*runway.axis_enu[:2])
    right = np.array([forward[1], -forward[0]])
    points: list[np.ndarray] = []
    triangles: dict[str, list[list[int]]] = {}

    def patch(name: str, along: tuple[float, float], across: tuple[float, float]) -> None:
        first = len(points)
        for a, c in (
            (along[0], across[0]),
            (along[0], across[1]),
            (along[1], across[1]),
            (along[1], across[0]),
        ):
            flat = (a + shift_m) * forward + c * right
            points.append(np.append(flat, -drop_m + 0.01 * (a + shift_m)))
        triangles.setdefault(name, []).extend([[first, first + 1, first + 2], [first, first + 2, first + 3]])

    half = width_m / 2
    patch("pa_stopway", (-200.0, -80.0), (-half, half))
    patch("pa_dspl_arrows", (-80.0, 0.0), (-half, half))
    patch("pa_threshold", (0.0, 60.0), (-half, half))
    patch("pa_rest", (60.0, 900.0), (-half, half))
    patch("pa_shoulder", (-80.0, 500.0), (half, half + shoulder_m))
    patch("Grass", (-300.0, 900.0), (half + shoulder_m, half + 90.0))
    vertices = from_enu(np.array(points), *runway.ltp)
    return Mesh(vertices, {name: np.array(group) for name, group in triangles.items()})


@given(st.floats(-60, 60), st.sampled_from([30.0, 45.0, 60.0]), st.floats(0.5, 12.0), st.floats(-20, 20))
def test_a_drawn_end_is_found_where_it_is_drawn(
    shift_m: float, width_m: float, shoulder_m: float, drop_m: float
) -> None:
    runway = make_airport(elevation_m=100.0).runway("07")
    listed = Runway.from_thresholds("XTST", "07", "25", runway.ltp, runway.fpap, width_m)
    end = drawn_end(listed, strip_mesh(listed, shift_m, width_m, shoulder_m, drop_m))
    assert end is not None
    forward = listed.axis_enu[:2] / np.hypot(*listed.axis_enu[:2])
    across = width_m / 2 * np.array([forward[1], -forward[0]])
    for corner, side in ((end.right, 1.0), (end.left, -1.0)):
        flat = shift_m * forward + side * across
        expected = from_enu(np.append(flat, -drop_m + 0.01 * shift_m), *listed.ltp)
        assert np.linalg.norm(ecef_from_geodetic(*corner) - expected) < 1e-6
    assert end.displaced_m == pytest.approx(80.0, abs=1e-6)
    assert end.before_m == pytest.approx(200.0, abs=1e-6)
    assert end.shoulder_right_m == pytest.approx(shoulder_m, abs=1e-6)
    assert end.shoulder_left_m == 0.0


def test_no_end_without_a_threshold_of_that_width() -> None:
    runway = make_airport().runway("07")
    mesh = strip_mesh(runway, 0.0, 45.0, 5.0, 0.0)
    assert drawn_end(runway, Mesh(mesh.vertices_ecef, {"Grass": mesh.triangles["Grass"]})) is None
    wider = Runway.from_thresholds("XTST", "07", "25", runway.ltp, runway.fpap, 75.0)
    assert drawn_end(wider, mesh) is None


def test_xwd_is_read_as_rgb_and_refused_when_it_is_none(tmp_path: Path) -> None:
    path = tmp_path / "screen"
    path.write_bytes(xwd(40, 24, (200, 100, 50)))
    picture = read_xwd(path)
    assert picture.shape == (24, 40, 3)
    assert picture[0, 0].tolist() == [200, 100, 50]
    assert picture[-1, -1].tolist() == [100, 50, 25]
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(SourceError, match="cut at"):
        read_xwd(path)
    path.write_bytes(b"P6" + bytes(98))
    with pytest.raises(SourceError, match="expected version 7"):
        read_xwd(path)


def test_property_tree_shares_nodes_and_keeps_indices() -> None:
    tree = property_tree({"/a/b[1]/c": 1.5, "/a/b/c": True, "/a/d": "x"})
    (a,) = tree["children"]
    assert [(c["name"], c["index"]) for c in a["children"]] == [("b", 1), ("b", 0), ("d", 0)]
    assert a["children"][0]["children"] == [{"name": "c", "index": 0, "value": 1.5}]
    assert a["children"][2]["value"] == "x"


@given(st.integers(16, 4000), st.integers(16, 4000), st.floats(10.0, 5000.0))
def test_field_of_view_is_along_the_longer_side(width: int, height: int, f_px: float) -> None:
    fov = field_of_view_deg({"width_px": width, "height_px": height, "fx_px": f_px})
    assert max(width, height) / 2 / np.tan(np.radians(fov) / 2) == pytest.approx(f_px, rel=1e-9)


def test_the_probe_line_is_read_or_refused() -> None:
    seen = Seen.of_text("7 2 1.5 -2.5 3 90 -3 4.5 60 20000 2024-06-01T12:00:00")
    assert seen is not None
    assert (seen.count, seen.missing, seen.view_ecef, seen.gmt) == (
        7,
        2,
        (1.5, -2.5, 3.0),
        "2024-06-01T12:00:00",
    )
    assert Seen.of_text(None) is None
    assert Seen.of_text("7 2 nan") is None


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"supersample": 0}, "supersample is 0"),
        ({"msaa": 4}, r"flightgear\.msaa: unknown"),
        ({"port": -1}, "port"),
    ],
)
def test_settings_are_checked(params: dict[str, int], message: str) -> None:
    with pytest.raises(DataError, match=message):
        FlightGearSettings.of_params(params)


def test_timeouts_and_port_do_not_change_the_key() -> None:
    assert FlightGearSettings().of_key() == FlightGearSettings(port=5500, answer_timeout_s=1.0).of_key()
    assert FlightGearSettings().of_key() != FlightGearSettings(supersample=1).of_key()
