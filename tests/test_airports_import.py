"""OurAirports and apt.dat readers."""

import gzip
import threading
from functools import partial
from http.server import HTTPServer, SimpleHTTPRequestHandler
from pathlib import Path

import numpy as np
import pytest
from airports_support import HEADER, OURAIRPORTS, row, write_csv
from hypothesis import given
from hypothesis import strategies as st
from tiles_support import raw

from lard.airports import normalise_ident
from lard.airports.aptdat import read_aptdat
from lard.airports.build import displaced_thresholds
from lard.airports.intake import Selection, read_infos, reciprocal_ident
from lard.airports.ourairports import download_ourairports, read_ourairports
from lard.airports.surfaces import surface_of, surface_of_aptdat
from lard.errors import AirportError, SourceError
from lard.geodesy import geodesic_inverse

FT = 0.3048

numbers = st.integers(1, 36)
sides = st.sampled_from(["", "L", "C", "R"])


@given(numbers, sides, st.sampled_from(["", " ", "RW", "rwy "]))
def test_idents_are_two_digits_in_any_spelling(number: int, side: str, prefix: str) -> None:
    padded = f"{number:02d}{side}"
    for spelling in (padded, f"{number}{side}", f"{prefix}{number}{side.lower()} "):
        assert normalise_ident(spelling) == padded
    assert normalise_ident(normalise_ident(padded)) == padded


@given(numbers, sides)
def test_reciprocal_is_an_involution_half_a_turn_away(number: int, side: str) -> None:
    ident = f"{number:02d}{side}"
    other = reciprocal_ident(ident)
    assert reciprocal_ident(other) == ident
    assert (int(other[:2]) - number) % 36 == 18
    assert normalise_ident(other) == other


def test_reciprocals_of_centre_runways_and_north() -> None:
    assert reciprocal_ident("18C") == "36C"
    assert reciprocal_ident("36c") == "18C"
    assert reciprocal_ident("8R") == "26L"
    assert reciprocal_ident("36") == "18"


@pytest.mark.parametrize("bad", ["", "0", "00", "37", "N", "H1", "9X", "9LL", "ALL", "-9"])
def test_idents_that_are_no_numbers_are_refused(bad: str) -> None:
    with pytest.raises(AirportError):
        normalise_ident(bad)


@given(
    st.floats(-75, 75),
    st.floats(-180, 179),
    st.floats(0, 360),
    st.floats(800, 5000),
    st.floats(0, 0.45),
    st.floats(0, 0.45),
    st.floats(-30, 30),
)
def test_displaced_thresholds_lie_on_the_strip(
    lat: float, lon: float, azimuth: float, length_m: float, share1: float, share2: float, rise_m: float
) -> None:
    from lard.geodesy import geodesic_direct

    far_lat, far_lon, _ = geodesic_direct(lat, lon, azimuth, length_m)
    ends = np.array([[[lat, lon, 100.0], [float(far_lat), float(far_lon), 100.0 + rise_m]]])
    moved_m = np.array([[share1 * length_m, share2 * length_m]])
    landing = displaced_thresholds(ends, moved_m, "wgs84")[0]
    assert geodesic_inverse(lat, lon, *landing[0, :2])[2] == pytest.approx(moved_m[0, 0], abs=1e-6)
    remaining = geodesic_inverse(*landing[0, :2], *landing[1, :2])[2]
    assert remaining == pytest.approx(length_m - moved_m.sum(), abs=1e-6)
    assert landing[0, 2] == pytest.approx(100 + rise_m * share1, abs=1e-6)
    assert landing[1, 2] == pytest.approx(100 + rise_m * (1 - share2), abs=1e-6)


def test_feet_thresholds_and_slope_of_a_row(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "runways.csv", row(displaced_ft=(1000, ""), elevation_ft=(100, 200)))
    database, report = read_ourairports(path, date="2026-01-01")
    runway = database.airport("XAAA").runway("9")
    pavement_m = float(geodesic_inverse(10.0, 20.0, 10.0, 20.025)[2])
    assert runway.length_m == pytest.approx(pavement_m - 304.8, abs=0.2)
    assert runway.width_m == pytest.approx(45.72, abs=1e-3)
    assert runway.displaced_m == pytest.approx(304.8)
    assert geodesic_inverse(10.0, 20.0, *runway.ltp[:2])[2] == pytest.approx(304.8, abs=1e-3)
    assert runway.ltp[2] == pytest.approx((100 + 100 * 304.8 / pavement_m) * FT, abs=1e-6)
    assert runway.fpap[:2] == pytest.approx((10.0, 20.025), abs=1e-9)
    assert runway.heading_deg == pytest.approx(90, abs=0.01)
    assert (report.kept, report.rows, database.altitude_datum) == (1, 1, "msl")
    assert (runway.source, runway.date) == ("OurAirports", "2026-01-01")


def test_every_row_is_kept_or_counted(tmp_path: Path) -> None:
    path = write_csv(
        tmp_path / "runways.csv",
        row(),
        row("XAAB", closed=1),
        row("XAAC", surface="WATER"),
        row("XAAD", "08W", "26W"),
        row("XAAE", "H1", "", surface="CONC"),
        row("XAAF", surface="TURF"),
        row("XAAG", surface=""),
        row("XAAH", "E", "W"),
        row("XAAI", "09", "26"),
        row("XAAJ", width_ft=""),
        row("XAAK", width_ft=500),
        row("XAAL", elevation_ft=("", 10)),
        row("XAAM", lat="", he_lat=""),
        row("XAAN", length_ft=6000),
        row("XAAO", he_lon=20.002, length_ft=720),
        row("XAAP", displaced_ft=(-100, "")),
    )
    database, report = read_ourairports(path)
    assert list(database.airports) == ["XAAA"]
    assert report.kept + sum(report.excluded.values()) == report.rows == 16
    assert dict(report.excluded) == {
        "closed": 1,
        "water": 2,
        "helipad": 1,
        "surface grass": 1,
        "surface unknown": 1,
        "ident is no runway number": 1,
        "idents are not reciprocal": 1,
        "no width": 1,
        "width outside 15 to 80 m": 1,
        "no elevation": 1,
        "no coordinates": 1,
        "coordinates and stated length differ by more than 150 m": 1,
        "landing length outside 400 to 5500 m": 1,
        "negative displaced threshold": 1,
    }


def test_coordinates_that_are_thresholds_already_are_not_moved(tmp_path: Path) -> None:
    # 2737 m between the coordinates, 3346 m of pavement, 610 m of it before the thresholds
    path = write_csv(tmp_path / "runways.csv", row(length_ft=10980, displaced_ft=(1000, 1000)))
    database, report = read_ourairports(path)
    runway = database.airport("XAAA").runway("09")
    assert runway.ltp[:2] == pytest.approx((10.0, 20.0), abs=1e-9)
    assert runway.displaced_m == pytest.approx(304.8)
    assert report.notes == ["XAAA 09/27: coordinates are the landing thresholds already"]


def test_exchanged_idents_are_recognised_by_geometry(tmp_path: Path) -> None:
    database, report = read_ourairports(write_csv(tmp_path / "runways.csv", row(le="27", he="09")))
    assert database.airport("XAAA").runway("09").heading_deg == pytest.approx(90, abs=0.01)
    assert report.notes == ["XAAA 27/09: idents exchanged, they name the opposite ends"]


def test_missing_elevations_come_from_the_nearest_end_on_request(tmp_path: Path) -> None:
    rows = row(), row(le="10", he="28", lat=10.01, elevation_ft=("", ""))
    path = write_csv(tmp_path / "runways.csv", *rows)
    database, report = read_ourairports(path, Selection(fill_elevation=True))
    runway = database.airport("XAAA").runway("10")
    assert (runway.ltp[2], runway.fpap[2]) == pytest.approx((100 * FT, 200 * FT))
    assert "nearest known end" in runway.source and report.kept == 2


def test_selection_by_airport_and_surface(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "runways.csv", row(), row("XBBB", surface="TURF"))
    database, report = read_ourairports(path, Selection(frozenset({"XBBB"}), ("grass",)))
    assert list(database.airports) == ["XBBB"] and report.excluded == {"airport not asked for": 1}
    with pytest.raises(AirportError, match="no rows for XZZZ"):
        read_ourairports(path, Selection(frozenset({"XAAA", "XZZZ"})))


def test_fixes_replace_cells_and_name_their_source(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "runways.csv", row(width_ft=200))
    fixes = tmp_path / "fixes.csv"
    fixes.write_text("airport,le_ident,column,value,source\nXAAA,09,width_ft,150,chart\n", encoding="utf-8")
    runway = read_ourairports(path, fixes=fixes)[0].airport("XAAA").runway("09")
    assert runway.width_m == pytest.approx(45.72, abs=1e-3) and "width_ft: chart" in runway.source
    text = "airport,le_ident,column,value,source\nXAAA,10,width_ft,150,x\nXAAA,09,wide,1,x\n"
    fixes.write_text(text, encoding="utf-8")
    with pytest.raises(AirportError, match=r"fixes.csv:2: le_ident(.|\n)*fixes.csv:3: column: found 'wide'"):
        read_ourairports(path, fixes=fixes)


def test_bad_numbers_are_all_reported_with_row_and_column(tmp_path: Path) -> None:
    path = write_csv(
        tmp_path / "runways.csv",
        row(width_ft="wide"),
        row("XBBB", lat=95.0),
        row("XCCC", lon="nan", he_lon=20.02),
    )
    with pytest.raises(AirportError) as caught:
        read_ourairports(path)
    message = str(caught.value)
    assert "runways.csv:2: width_ft: found 'wide'" in message
    assert "runways.csv:3: le_latitude_deg: found '95.0', expected a number from -90 to 90" in message
    assert "runways.csv:4: le_longitude_deg: found 'nan'" in message


def test_duplicate_runways_and_foreign_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(AirportError, match="XAAA: runway 09 occurs 2 times"):
        read_ourairports(write_csv(tmp_path / "runways.csv", row(), row()))
    other = tmp_path / "other.csv"
    other.write_text("a;b;c\n1;2;3\n", encoding="utf-8")
    with pytest.raises(
        AirportError, match=r"other\.csv:1: the header is one cell; separate columns with commas"
    ):
        read_ourairports(other)
    other.write_bytes(b"")
    with pytest.raises(AirportError, match="found an empty file"):
        read_ourairports(other)


def test_ragged_and_foreign_encoded_files_are_refused(tmp_path: Path) -> None:
    path = write_csv(
        tmp_path / "runways.csv", row(), "1,2,3\n", row("XBBB").strip() + ",9\n", "\n", row("XCCC", lat=99)
    )
    with pytest.raises(AirportError) as caught:
        read_ourairports(path)
    assert [line.split("runways.csv:")[1] for line in str(caught.value).splitlines()] == [
        "3: found 3 cells, expected 20 cells as in the header",
        "4: found 21 cells, expected 20 cells as in the header",
        "6: le_latitude_deg: found '99', expected a number from -90 to 90",
        "6: he_latitude_deg: found '99', expected a number from -90 to 90",
    ]
    path.write_bytes(path.read_bytes() + "é".encode("latin-1"))
    with pytest.raises(AirportError, match=r"runways\.csv:7: byte 0xe9 is no UTF-8 text; save"):
        read_ourairports(path)
    path.write_text("\ufeff" + HEADER + row(), encoding="utf-8")
    assert read_ourairports(path)[1].kept == 1


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be"])
def test_any_line_ends_and_unicode_are_the_same_table(tmp_path: Path, ends: str, encoding: str) -> None:
    path = tmp_path / "runways.csv"
    path.write_bytes((HEADER + row() + row("XBBB")).replace("\n", ends).encode(encoding))
    database, report = read_ourairports(path)
    assert report.kept == 2 and sorted(database.airports) == ["XAAA", "XBBB"]


@pytest.mark.parametrize("word", ["1", "1.0", "TRUE", "true", "yes", "Y", "t", "on"])
def test_closed_runways_are_closed_however_it_is_spelt(tmp_path: Path, word: str) -> None:
    path = write_csv(tmp_path / "runways.csv", row(), row("XBBB", closed=word))
    database, report = read_ourairports(path)
    assert list(database.airports) == ["XAAA"] and report.excluded["closed"] == 1


@pytest.mark.parametrize(
    ("word", "fits"),
    [("0", True), ("0.0", True), ("False", True), ("no", True), ("2", False), ("closed?", False)],
)
def test_open_runways_and_words_that_mean_neither(tmp_path: Path, word: str, fits: bool) -> None:
    path = write_csv(tmp_path / "runways.csv", row(closed=word))
    if fits:
        assert read_ourairports(path)[1].kept == 1
        return
    with pytest.raises(AirportError, match=r"closed: found .* expected 1 or 0"):
        read_ourairports(path)


def test_codes_that_lead_out_of_a_folder_are_refused(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "runways.csv", row("../../X"))
    with pytest.raises(AirportError, match=r"runways\.csv:2: airport_ident: found '\.\./\.\./X'"):
        read_ourairports(path)


@pytest.fixture
def site(tmp_path: Path) -> "tuple[Path, str]":
    root = tmp_path / "www"
    root.mkdir()

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(root)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield root, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_download_is_whole_or_not_at_all(site: "tuple[Path, str]", tmp_path: Path) -> None:
    root, url = site
    write_csv(root / "runways.csv", row())
    (root / "broken.csv").write_text("not,what\n1,2\n", encoding="utf-8")
    out = tmp_path / "runways.csv"
    day = download_ourairports(out, f"{url}/runways.csv")
    assert len(day) == 10 and out.read_text(encoding="utf-8").startswith("id,")
    before = out.read_bytes()
    with pytest.raises(SourceError, match="download failed"):
        download_ourairports(out, f"{url}/absent.csv")
    with pytest.raises(AirportError, match="column 'airport_ident' is missing"):
        download_ourairports(out, f"{url}/broken.csv")
    assert out.read_bytes() == before and sorted(p.name for p in tmp_path.iterdir()) == ["runways.csv", "www"]


def test_a_download_that_drips_ends_with_its_deadline(tmp_path: Path) -> None:
    out = tmp_path / "runways.csv"
    start = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"
    with raw(start, pause_s=0.05, forever=b"x") as port, pytest.raises(SourceError, match=r"after 0\.3 s"):
        download_ourairports(out, f"http://127.0.0.1:{port}/runways.csv", deadline_s=0.3)
    with raw(start + b"id,", pause_s=0.0) as port, pytest.raises(SourceError, match="download failed"):
        download_ourairports(out, f"http://127.0.0.1:{port}/runways.csv")
    assert not list(tmp_path.iterdir())


def test_names_from_both_layouts(tmp_path: Path) -> None:
    names = tmp_path / "names.csv"
    names.write_text("icao,name,country\nXAAA,Sample Field,FR\n", encoding="utf-8")
    assert read_infos(names)["XAAA"].country == "FR"
    names.write_text(
        "id,ident,name,latitude_deg,longitude_deg,elevation_ft,iso_country\n1,XAAA,F,1,2,100,XK\n"
        "2,XBBB,At sea,1,3,0,ZZ\n3,XCCC,Untold,1,4,0,\n",
        encoding="utf-8",
    )
    infos = read_infos(names)
    info = infos["XAAA"]
    assert infos["XBBB"].country == infos["XCCC"].country == "", "nobody's land is no country's"
    assert (info.country, info.elevation_m) == ("XK", pytest.approx(30.48))
    names.write_text("code\nX\n", encoding="utf-8")
    with pytest.raises(AirportError, match="expected the columns icao, name, country"):
        read_infos(names)


@pytest.mark.parametrize("column", ["country", "iso_country"])
def test_names_with_words_that_are_no_country_are_refused(tmp_path: Path, column: str) -> None:
    names = tmp_path / "names.csv"
    key = "icao" if column == "country" else "ident"
    words = ("FR", "fr", "UK", "Frankreich", "XX", "")
    rows = "".join(f"XAA{k},Field,{word}\n" for k, word in enumerate(words))
    names.write_text(f"{key},name,{column}\n{rows}", encoding="utf-8")
    with pytest.raises(AirportError) as caught:
        read_infos(names)
    expected = "expected a two-letter country code of ISO 3166, such as FR, or nothing"
    assert str(caught.value).splitlines() == [
        f"{names}:3: {column}: found 'fr', {expected}; did you mean FR?",
        f"{names}:4: {column}: found 'UK', {expected}; did you mean GB?",
        f"{names}:5: {column}: found 'Frankreich', {expected}",
        f"{names}:6: {column}: found 'XX', {expected}",
    ]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("ASP", "asphalt"), ("ASPH-G", "asphalt"), ("Asphalt", "asphalt"), ("BIT", "asphalt"),
        ("CON", "concrete"), ("CONC-F", "concrete"), ("ASPH/ CONC", "mixed"), ("PEM", "mixed"),
        ("TURF-G", "grass"), ("GRS", "grass"), ("G", "grass"), ("GRAVEL", "gravel"), ("GRE", "gravel"),
        ("Grey gravel", "gravel"), ("WATER-E", "water"), ("Dry Lake", "dirt"), ("Dirt", "dirt"),
        ("ICE", "snow"), ("", "unknown"), ("X", "unknown"), ("UNK", "unknown"), ("PSP", "metal"),
    ],
)  # fmt: skip
def test_free_text_surfaces(text: str, name: str) -> None:
    assert surface_of(text) == name


APT = """I
1100 Version - data cycle 2026.01, build 20260101

1  328 1 0 XAAA Sample Field
1302 city Sample
1302 icao_code XAAA
100 45.00 1 0 0.25 1 3 1 09 10.00000000 020.00000000 304.80 0.00 3 6 1 0 27 10.00000000 020.02500000 0.00 0.00 2 6 0 1
100 30.00 3 0 0.25 0 0 0 18 10.01000000 020.01000000 0 0 0 0 0 0 36 10.00000000 020.01000000 0 0 0 0 0 0
101 60.00 1 08 10.1 20.1 26 10.1 20.2
102 H1 10.00 20.00 0.00 20.00 20.00 1 0 0 0.25 0

17 15 0 0 XHEL Sample Heliport
102 H1 11.00 21.00 0.00 20.00 20.00 2 0 0 0.25 0
99
"""  # noqa: E501


def test_aptdat_rows_plain_and_zipped(tmp_path: Path) -> None:
    plain, zipped = tmp_path / "apt.dat", tmp_path / "apt.dat.gz"
    plain.write_text(APT, encoding="utf-8")
    zipped.write_bytes(gzip.compress(APT.encode()))
    database, report = read_aptdat(plain)
    assert database.airports == read_aptdat(zipped)[0].airports
    runway = database.airport("XAAA").runway("09")
    assert runway.displaced_m == 304.8 and runway.width_m == pytest.approx(45, abs=1e-3)
    assert geodesic_inverse(10.0, 20.0, *runway.ltp[:2])[2] == pytest.approx(304.8, abs=1e-3)
    assert (runway.marking, database.airport("XAAA").runway("27").marking) == ("precision", "nonprecision")
    assert runway.ltp[2] == runway.fpap[2] == pytest.approx(328 * FT)
    assert database.airport("XAAA").name == "Sample Field" and database.version == "1100"
    assert dict(report.excluded) == {"surface grass": 1, "water": 1, "helipad": 2}
    assert report.kept + sum(report.excluded.values()) == report.rows == 5


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_aptdat_of_old_line_ends_and_encodings(tmp_path: Path, ends: str, encoding: str) -> None:
    path, text = tmp_path / "apt.dat", APT.replace("Sample Field", "Aéro Été").replace("\n", ends)
    for packed in (text.encode(encoding), gzip.compress(text.encode(encoding))):
        path.write_bytes(packed)
        database, report = read_aptdat(path)
        assert report.kept == 1 and database.airport("XAAA").name == "Aéro Été"


@pytest.mark.parametrize("late", [False, True])
def test_aptdat_airports_go_by_their_icao_code(tmp_path: Path, late: bool) -> None:
    """X-Plane's own id is another name of the airport; the code may be stated after the runways."""
    text = APT.replace(" XAAA Sample", " XLF01 Sample").replace("1302 icao_code XAAA\n", "")
    mark = "\n17 15" if late else "1302 city"
    path = tmp_path / "apt.dat"
    path.write_text(text.replace(mark, f"1302 icao_code xaaa\n{mark}"), encoding="utf-8")
    for asked in ({"XAAA"}, {"XLF01"}, None):
        database, report = read_aptdat(path, Selection(airports=asked))
        assert len(database.airport("XAAA").runways) == 2, asked
        assert report.notes == ["XLF01: ICAO code XAAA stated; kept under XAAA"]
    with pytest.raises(AirportError, match="no rows for XZZZ"):
        read_aptdat(path, Selection(airports={"XZZZ"}))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (" XAAA Sample", " ../x Sample", "airport code: found '../X'"),
        ("45.00 1 0", "45.00 \u00b2 0", "surface: found"),
        ("45.00 1 0", f"45.00 {'9' * 400} 0", "surface: found"),
        ("1100 Version", "\u0661100 Version", "found version"),
        ("Sample Field", "x" * 70_000, "a line of 65536 characters"),
    ],
)
def test_aptdat_of_odd_digits_names_and_lines(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = tmp_path / "apt.dat"
    path.write_text(APT.replace(old, new), encoding="utf-8")
    with pytest.raises(AirportError, match=message):
        read_aptdat(path)


@pytest.mark.parametrize("mark", ["[X]", "[x] "])
def test_aptdat_runways_of_closed_airports_are_closed(tmp_path: Path, mark: str) -> None:
    """X-Plane marks an airport that is no more before its name."""
    path = tmp_path / "apt.dat"
    path.write_text(APT.replace("Sample Field", f"{mark}Sample Field"), encoding="utf-8")
    database, report = read_aptdat(path)
    assert not database.airports and report.kept == 0
    assert report.excluded["closed"] == 2 and report.which["closed"][0] == "XAAA 09/27"
    path.write_text(APT.replace("Sample Field", "Sample [X] Field"), encoding="utf-8")
    assert read_aptdat(path)[1].kept == 1


def test_aptdat_that_breaks_off_is_told(tmp_path: Path) -> None:
    path = tmp_path / "apt.dat"
    path.write_text(APT, encoding="utf-8")
    assert read_aptdat(path)[1].notes == []
    path.write_text(APT.removesuffix("99\n"), encoding="utf-8")
    assert "no row 99" in read_aptdat(path)[1].notes[0]


@pytest.mark.parametrize("text", ["4_6.2256", "4_5.00"])
def test_aptdat_numbers_have_no_underscores(tmp_path: Path, text: str) -> None:
    path = tmp_path / "apt.dat"
    path.write_text(APT.replace("45.00 1 0", f"{text} 1 0"), encoding="utf-8")
    with pytest.raises(AirportError, match=f"width m: found '{text}'"):
        read_aptdat(path)


def test_aptdat_that_is_no_gzip_after_all(tmp_path: Path) -> None:
    """Damage in the middle is zlib's error, not gzip's; a cut file is neither."""
    path, packed = tmp_path / "apt.dat.gz", bytearray(gzip.compress(APT.encode() * 50))
    for damaged in (packed[:-20], packed[:30] + b"\xff" * 40 + packed[70:], packed[:5]):
        path.write_bytes(damaged)
        with pytest.raises(AirportError, match=r"apt\.dat\.gz: cannot be read|expected an apt.dat"):
            read_aptdat(path)


def test_aptdat_reports_every_bad_row_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "apt.dat"
    path.write_text(
        APT.replace("020.00000000 304.80", "920.0 x").replace(" 0 36 10.0", " 0"), encoding="utf-8"
    )
    with pytest.raises(AirportError) as caught:
        read_aptdat(path)
    message = str(caught.value)
    assert "apt.dat:7: 09 longitude: found '920.0', expected a number from -180 to 180" in message
    assert "apt.dat:7: 09 displaced threshold m: found 'x'" in message
    assert "apt.dat:8: row 100: found '" in message
    path.write_text("I\n850 Version\n", encoding="utf-8")
    with pytest.raises(AirportError, match=r"version '850', expected an apt\.dat of version 1000 to 1200"):
        read_aptdat(path)
    path.write_bytes(gzip.compress(APT.encode())[:60])
    with pytest.raises(AirportError, match="cannot be read"):
        read_aptdat(path)


def test_aptdat_surface_codes() -> None:
    codes = {1: "asphalt", 2: "concrete", 3: "grass", 4: "dirt", 5: "gravel", 13: "water", 14: "snow"}
    assert {code: surface_of_aptdat(code) for code in codes} == codes
    assert (surface_of_aptdat(25), surface_of_aptdat(57), surface_of_aptdat(99)) == (
        "asphalt",
        "concrete",
        "unknown",
    )


FLIGHTGEAR = Path("/usr/share/games/flightgear/Airports/apt.dat.gz")


@pytest.mark.skipif(not FLIGHTGEAR.exists(), reason="FlightGear's airports are not installed")
def test_flightgears_own_file_is_read() -> None:
    database, report = read_aptdat(FLIGHTGEAR, Selection(airports=frozenset({"KATL", "EHAM"})))
    assert report.kept + sum(report.excluded.values()) == report.rows
    assert len(database.airport("EHAM").strips) >= 6


@pytest.mark.skipif(not OURAIRPORTS.exists(), reason="no copy of OurAirports beside the checkout")
def test_the_whole_world_is_read_in_seconds() -> None:
    database, report = read_ourairports(OURAIRPORTS, Selection(airports=frozenset({"KATL", "LFPG", "PHNL"})))
    assert report.kept + sum(report.excluded.values()) == report.rows
    assert report.excluded["water"] == 2
    # published landing distances; both ends of LFPG 08L/26R and 09R/27L have a paved run-up
    assert database.airport("LFPG").runway("26R").displaced_m == pytest.approx(600.2, abs=0.1)
    assert len(database.airport("KATL").strips) == 5
