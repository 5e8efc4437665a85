"""What commands write stays below the folder named, spares what others put there, and is whole or absent."""

import hashlib
import json
import os
import re
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner

from lard.airports.model import Airport
from lard.cli import main
from lard.errors import AirportError, DataError, SourceError, SpecError, fault_line, naming, one_line, told
from lard.export.common import _frame_faults, staged_folder
from lard.labels.dataset import checked_info, label_faults
from lard.parts import replaced
from lard.render.journal import (
    Journal,
    check_folder,
    image_name,
    journal_line,
    kept_pictures,
    picture_path,
    remove_stale,
)
from lard.tables import (
    FRAMES,
    LABELS,
    POSE,
    atomic_path,
    atomic_paths,
    below,
    check_schema,
    name_fault,
    read_table,
    staged,
    write_json,
    write_table,
)
from pipelines.stage import params, run

HOSTILE = ("../../../x", "/etc/x", "a/b", "..", ".", ".hidden", "", "  ", "a\\b", "a\nb", "a\0b", "x" * 201)


def frames(*names: str | None) -> pl.DataFrame:
    empty = pl.DataFrame(schema=dict(FRAMES))
    return pl.concat([empty, pl.DataFrame({"frame_id": list(names)})], how="diagonal")


def made(out: Path, name: str, body: bytes) -> None:
    """A picture of ours: its bytes and its line in the journal."""
    path = out / image_name(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(body)
    with (out / "render_journal.jsonl").open("a") as stream:
        stream.write(journal_line(name, "key", hashlib.sha256(body).hexdigest()))


@pytest.mark.parametrize("name", HOSTILE)
def test_names_are_checked_at_the_door_of_a_table(tmp_path: Path, name: str) -> None:
    """A frame's name is one file's name; so is an airport's code; neither leads out of a folder."""
    assert name_fault(name)
    with pytest.raises(DataError, match=r"frames: frame_id .*expected a plain name \(1 such rows"):
        check_schema(frames("good", name), FRAMES, "frames")
    with pytest.raises(DataError):
        write_table(frames(name), tmp_path / "frames.parquet", FRAMES)
    with pytest.raises(AirportError, match="airport code"):
        Airport(name, "", "", 0.0, 0.0, 0.0, ())
    assert not list(tmp_path.iterdir())


def test_ordinary_names_pass() -> None:
    for name in ("LFPO_06_0001", "été 3", "a.b", "x" * 200, "IMG (1)", "a#b[1]"):
        assert not name_fault(name)
        check_schema(frames(name).with_columns(airport=pl.lit("")), FRAMES, "frames")
    with pytest.raises(DataError, match="frame_id is empty in 1 rows"):
        check_schema(frames("a", None), FRAMES, "frames")


@pytest.mark.parametrize(("image", "good"), [("images/a.jpg", True), ("../a.jpg", False), ("/a.jpg", False)])
def test_pictures_of_a_table_lie_below_it(image: str, good: bool) -> None:
    table = pl.concat([pl.DataFrame(schema=dict(LABELS)), frames("a").select("frame_id")], how="diagonal")
    table = table.with_columns(image=pl.lit(image))
    if good:
        check_schema(table, LABELS, "labels")
        return
    with pytest.raises(DataError, match="labels: image"):
        check_schema(table, LABELS, "labels")


def test_writers_resolve_below_their_root(tmp_path: Path) -> None:
    """Neither .. nor a root nor a link on the way leads out; the root itself may be a link."""
    root, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "real").mkdir()
    root.symlink_to(elsewhere / "real")
    assert below(root, "images/a.jpg") == root / "images" / "a.jpg"
    for name in ("../a", "/a", "a/../../b", ""):
        with pytest.raises(DataError, match="leads out of its folder"):
            below(root, name)
    (root / "images").symlink_to(elsewhere)
    with pytest.raises(DataError, match=r"is a link to .*elsewhere, outside"):
        below(root, "images/a.jpg")


def test_only_our_own_pictures_are_removed(tmp_path: Path) -> None:
    """Ours are those whose bytes the journal states: others' files and retouched pictures stay."""
    for name in ("kept", "stale", "retouched"):
        made(tmp_path, name, name.encode())
    images = tmp_path / "images"
    (images / "holiday.jpg").write_bytes(b"theirs")
    (images / "notes.txt").write_bytes(b"theirs")
    (images / "retouched.jpg").write_bytes(b"by hand")
    (images / ".stale.a1b2c3d4.tmp.jpg").write_bytes(b"half")
    remove_stale(tmp_path, ["kept"])
    left = {path.name for path in images.iterdir()}
    assert left == {"kept.jpg", "holiday.jpg", "notes.txt", "retouched.jpg"}


def test_a_journal_cannot_name_files_elsewhere(tmp_path: Path) -> None:
    out, victim = tmp_path / "a" / "out", tmp_path / "a" / "victim.jpg"
    made(out, "one", b"1")
    victim.write_bytes(b"theirs")
    digest = hashlib.sha256(b"theirs").hexdigest()
    with (out / "render_journal.jsonl").open("a") as stream:
        stream.write(journal_line("../../victim", "key", digest) + "[" * 5000 + '\n{"frame_id": 3}\n')
    remove_stale(out, [])
    assert victim.read_bytes() == b"theirs"
    assert kept_pictures({"../../victim": "key"}, out) == {}


def test_pictures_of_others_are_not_written_over(tmp_path: Path) -> None:
    theirs = tmp_path / image_name("a")
    theirs.parent.mkdir()
    theirs.write_bytes(b"theirs")
    check_folder(tmp_path, ["b"])
    with pytest.raises(DataError, match="was not made here"):
        check_folder(tmp_path, ["a", "b"])
    made(tmp_path, "b", b"ours")
    check_folder(tmp_path, ["a", "b"])


def test_links_are_not_written_through(tmp_path: Path) -> None:
    out, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    elsewhere.mkdir()
    out.mkdir()
    (out / "images").symlink_to(elsewhere)
    with pytest.raises(DataError, match="is a link"):
        picture_path(out, "a")
    (out / "render_journal.jsonl").symlink_to(elsewhere / "file")
    with pytest.raises(SourceError, match="cannot be written"), Journal(out / "render_journal.jsonl"):
        pass
    with pytest.raises(DataError, match="is a link to"), staged_folder(out / "images"):
        pass
    assert not list(elsewhere.iterdir())


def test_a_table_that_is_a_link_is_neither_written_through_nor_replaced(tmp_path: Path) -> None:
    """By any writer of files, whether the link leads somewhere or not; what lies beside it stays."""
    for name, there in (("kept.json", True), ("gone.json", False)):
        out, kept = tmp_path / name.split(".")[0], tmp_path / name
        out.mkdir()
        if there:
            kept.write_text("theirs")
        (out / "labels.parquet").symlink_to(kept)
        (out / "dataset.json").write_text("old")
        told = rf"labels\.parquet: is a link to .*{name}; nothing is written there"
        with pytest.raises(DataError, match=told), staged(out) as made:
            (made / "dataset.json").write_text("new")
            (made / "labels.parquet").write_text("new")
        with pytest.raises(DataError, match=told):
            write_json({}, out / "labels.parquet")
        with pytest.raises(DataError, match=told), replaced(out / "labels.parquet") as place:
            place.write_text("new")
        assert (out / "labels.parquet").is_symlink() and kept.exists() == there
        assert (out / "dataset.json").read_text() == "old" and len(list(out.iterdir())) == 2
    assert (tmp_path / "kept.json").read_text() == "theirs"


def test_several_files_are_all_written_or_none(tmp_path: Path) -> None:
    """The last of three cannot be: the first two keep what they held, and no folder is left."""
    one, two, three = tmp_path / "one", tmp_path / "new" / "two", tmp_path / "three"
    one.write_text("old")
    three.mkdir()
    with pytest.raises(IsADirectoryError) as caught, atomic_paths([one, two, three]) as files:
        files[0].write_text("new")
    assert caught.value.filename == str(three)
    assert one.read_text() == "old" and sorted(path.name for path in tmp_path.iterdir()) == ["one", "three"]
    with atomic_paths([one, two]) as files:
        for file in files:
            file.write_text("new")
    assert one.read_text() == two.read_text() == "new"


def test_a_full_disk_is_named_by_the_file_meant(tmp_path: Path) -> None:
    """/dev/full refuses every byte; the line names the file that was asked for, not a temporary one."""
    path = tmp_path / "below" / "a.json"
    with pytest.raises(OSError, match="No space") as caught, atomic_path(path) as temporary:
        temporary.unlink()
        temporary.symlink_to("/dev/full")
        temporary.write_text("x" * 100_000)
    assert fault_line(caught.value) == f"{path}: No space left on device; make room and run again"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("where", ["file/below.geojson", "folder", "loop"])
def test_a_command_tells_the_fault_in_one_line(tmp_path: Path, where: str) -> None:
    """A file where a folder should be, a folder where a file should be, a link in a circle."""
    (tmp_path / "file").write_text("x")
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    target = tmp_path / where if where != "loop" else tmp_path / "loop" / "a.geojson"
    ran = CliRunner().invoke(
        main, ["airports", "export", "--airports", "LFPO", "--format", "geojson", str(target)]
    )
    assert ran.exit_code == 2, ran.output
    line = ran.output.strip()
    assert line.startswith("lard: ") and "\n" not in line and str(tmp_path) in line
    assert {path.name for path in tmp_path.iterdir()} == {"file", "folder", "loop"}


def test_numbers_are_no_texts(tmp_path: Path) -> None:
    path = tmp_path / "frames.parquet"
    frames("a").with_columns(airport=pl.lit(float("-inf"))).write_parquet(path)
    with pytest.raises(DataError, match="column airport has type Float64, expected String"):
        read_table(path, FRAMES)


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_folder_without_permission(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(PermissionError) as caught, atomic_path(tmp_path / "a"):
        pass
    tmp_path.chmod(0o700)
    assert "Permission denied" in str(fault_line(caught.value))


def test_other_errors_keep_their_traceback() -> None:
    """A failure without a path, or of a library's own class, is not the user's to mend."""
    assert fault_line(OSError("something odd")) is None
    assert fault_line(ConnectionError("x")) is None
    assert json.dumps(fault_line(FileNotFoundError(2, "x", "a\nb"))).count("\\n") == 0


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("alt_m", float("-inf"), "alt_m of a is -inf, expected -100000 to 1e"),
        ("lat_deg", float("nan"), "lat_deg of a is nan, expected -90 to 90"),
        ("width_px", 0, "width_px of a is 0, expected 1 to 65500"),
        ("along_track_m", float("nan"), "along_track_m of a is nan, expected a finite number"),
        ("further", float("inf"), "further of a is inf, expected a finite number"),
        ("along_track_m", -1e308, "along_track_m of a is -1e+308, expected a finite number of at most 1e+15"),
        ("lateral_deg", 1e9, "lateral_deg of a is 1000000000.0, expected -360 to 360"),
        ("further", [1.0, float("inf"), 2.0], "further of a is inf, expected a finite number"),
    ],
)  # fmt: skip
def test_numbers_of_a_table_are_numbers(
    tmp_path: Path, column: str, value: float | list[float], message: str
) -> None:
    """NaN, infinity and values that nothing has are refused where a table is read; what is unknown passes.

    What would be refused is not written either.
    """
    path = tmp_path / "frames.parquet"
    good = frames("a").with_columns(airport=pl.lit(""))
    good.write_parquet(path)
    assert read_table(path, FRAMES).height == 1
    with pytest.raises(DataError, match="yaw_deg is empty in 1 of 1 rows; fill it"):
        read_table(path, FRAMES, POSE)
    bad = good.with_columns(pl.Series(column, [value]))
    bad.write_parquet(path)
    with pytest.raises(DataError, match=re.escape(f"{path}: {message}")):
        read_table(path, FRAMES)
    with pytest.raises(DataError, match=re.escape(f"{tmp_path / 'new.parquet'}: {message}")):
        write_table(bad, tmp_path / "new.parquet", FRAMES)
    assert [file.name for file in tmp_path.iterdir()] == ["frames.parquet"]


def test_a_folder_takes_all_files_of_a_command_or_none(tmp_path: Path) -> None:
    out = tmp_path / "new" / "out"
    with pytest.raises(ZeroDivisionError), staged(out) as made:
        (made / "a").write_text("new")
        raise ZeroDivisionError
    assert not list(tmp_path.iterdir())
    out.mkdir(parents=True)
    (out / "theirs").write_text("theirs")
    with staged(out) as made:
        (made / "below").mkdir()
        (made / "below" / "a").write_text("new")
    assert {path.relative_to(out).as_posix() for path in out.rglob("*")} == {"theirs", "below", "below/a"}
    (out / "zz").write_text("theirs")  # where a folder should be
    with pytest.raises(OSError, match="zz"), staged(out) as made:
        for name in ("below/a", "other/b", "zz/c"):
            (made / name).parent.mkdir(exist_ok=True)
            (made / name).write_text("newer")
    assert (out / "below/a").read_text() == "new" and not (out / "other").exists()


def test_errors_name_their_file_and_are_short() -> None:
    with pytest.raises(DataError, match=r"^folder/a\.csv: odd$"), naming("folder/a.csv"):
        raise DataError("odd")
    with pytest.raises(SourceError, match=r"^a\.csv:3: odd$"), naming("folder/a.csv"):
        raise SourceError("a.csv:3: odd")
    with pytest.raises(DataError, match=r"^--out odd$"), naming("folder/a.csv"):
        raise DataError("--out odd")  # no fault of the file
    text = told(DataError("\n".join(["x" * 1000, "\x1b[31mred", *map(str, range(100))])))
    assert text.count("\n") == 15 and text.endswith("and 87 more lines") and "\x1b" not in text
    assert max(map(len, text.split("\n"))) < 510
    assert len(told(DataError("\n".join(["a sentence of words " * 40] * 100)))) < 3500


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("x" * 10_000, "x" * 60 + "...(10000 characters)..." + "x" * 20),
        ("two words " * 1000, "...(10000 characters)..."),
        ("a\nb\x1b[2J\u202ec\ud800\u2028", "'a?b?[2J?c??'"),
        ("sub/" + "y" * 300 + "/z.csv", "'sub/" + "y" * 56 + "...(310 characters)"),
    ],
)
def test_names_are_cut_short_and_steer_nothing(name: str, shown: str) -> None:
    """The sentence round a name stays whole: what was expected, and the remedy."""
    line = one_line(
        f"a.csv:3: column 'image's' is '{name}', expected 'b', an {'ordinary text ' * 12}'c'; mend it"
    )
    assert shown in line and line.startswith("a.csv:3: column") and line.endswith("'c'; mend it")
    assert "ordinary text " * 12 in line and len(line) < 500


def test_words_of_a_command_are_cut_short(tmp_path: Path) -> None:
    """Names of files, airports and options' values, whoever refuses them."""
    name = "a" * 10_000
    for words in (
        ["airports", "show", name],
        ["odd", "check", name],
        ["odd", name],
        ["init", name, "--n", name],
    ):
        result = CliRunner().invoke(main, words)
        assert result.exit_code == 2 and len(result.output) < 600, words[0]


def test_what_cannot_be_exported_is_told_by_row(tmp_path: Path) -> None:
    """No size, no number, no box: named by frame; an unknown pose is no fault."""
    good = frames("a").with_columns(width_px=pl.lit(64, pl.Int32), height_px=pl.lit(48, pl.Int32))
    assert not _frame_faults(good, tmp_path)
    [fault] = _frame_faults(good.with_columns(height_px=pl.lit(0, pl.Int32)), tmp_path)
    assert fault.endswith("frame a is 64 x 0 px; expected from 1 to 65500 each way")
    [fault] = _frame_faults(pl.concat([good, good]), tmp_path)
    assert fault.endswith("frame a occurs more than once; name every frame once")
    stated = {"frame_id": "a", "image": "images/a.jpg", "runway": "09"}
    label = {**stated, "visible_fraction": 1.0, "x_min_px": 1.0, "y_min_px": 1.0}
    whole = {**label, "x_max_px": 2.0, "y_max_px": 2.0, "polygon": [1.0, 1.0, 2.0, 1.0, 2.0, 2.0]}
    empty = pl.DataFrame(schema=dict(LABELS))
    turned = {**whole, "x_max_px": 0.5}
    bare, unknown = {**whole, "image": None}, {**whole, "runway": None}
    for row, count in (
        (whole, 0), (label, 1), ({**whole, "polygon": [1.0, 2.0]}, 1), (turned, 1), (bare, 1), (unknown, 0),
    ):  # fmt: skip
        table = pl.concat([empty, pl.DataFrame([row])], how="diagonal")
        assert len(label_faults(table, tmp_path)) == count, row
    for info in ([], "x", {"camera": 3}, {"odd": "x"}, {"name": {}}):
        with pytest.raises(DataError, match=r"dataset\.json: "):
            checked_info(info, tmp_path / "dataset.json")


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (SourceError("a.tif: odd"), "lard: a.tif: odd"),
        (
            OSError(28, "x", "data/a.json"),
            "lard: data/a.json: No space left on device; make room and run again",
        ),
    ],
)
def test_stages_end_as_commands_do(capsys: pytest.CaptureFixture[str], error: Exception, line: str) -> None:
    def stage() -> None:
        raise error

    with pytest.raises(SystemExit) as caught:
        run(stage)
    assert caught.value.code == 2 and capsys.readouterr().err == f"{line}\n"
    with pytest.raises(ConnectionError):
        run(lambda: (_ for _ in ()).throw(ConnectionError("odd")))


@pytest.mark.parametrize("text", ["a: [", "sample: \xff", "a: &a [*a]", "", "- 1"])
def test_parameters_of_stages_are_read_through_the_same_door(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SpecError, match=r"params\.yaml: no such file"):
        params("sample", "odd")
    (tmp_path / "params.yaml").write_bytes(text.encode("latin-1"))
    with pytest.raises(SpecError, match=r"params\.yaml"):
        params("sample", "odd")


def test_a_device_or_pipe_is_not_replaced_by_a_file(tmp_path: Path) -> None:
    """A writer of root's that is told --out /dev/null would leave a file there."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DataError, match="device or pipe"), atomic_paths([tmp_path / "pipe"]):
        pass
    assert (tmp_path / "pipe").is_fifo()


@pytest.mark.parametrize("column", ["odd", "odd_sha256", "runway_db"])
def test_what_frames_say_of_their_origin_is_text(tmp_path: Path, column: str) -> None:
    table = frames("a").with_columns(pl.concat_list(pl.lit("x")).alias(column))
    table.write_parquet(tmp_path / "f.parquet")
    with pytest.raises(DataError, match=rf"f.parquet: column {column} has type List"):
        read_table(tmp_path / "f.parquet", FRAMES)


def test_a_structure_is_no_number() -> None:
    odd = frames("a").with_columns(cy_px=pl.struct(pl.lit(1.0)))
    with pytest.raises(DataError, match="column cy_px has type Struct"):
        check_schema(odd, FRAMES, "frames")


@pytest.mark.parametrize("kind", [pl.Int128, pl.Decimal(20, 2), pl.List(pl.Decimal(20, 2))])
def test_numbers_that_arrays_do_not_know_become_floats(tmp_path: Path, kind: pl.DataType) -> None:
    """Tables of data bases hold decimals and wide integers, in columns of their own too."""
    value = [[2]] if isinstance(kind, pl.List) else [2]
    path = tmp_path / "f.parquet"
    frames("a").with_columns(
        airport=pl.lit(""), local_time_h=pl.Series(value, dtype=kind, strict=False)
    ).write_parquet(path)
    read = read_table(path, FRAMES)["local_time_h"]
    assert read.explode().to_numpy().dtype == float and read.explode().to_list() == [2.0]


@pytest.mark.parametrize("place", ["ftp://x/y", "http://x/y", "HTTPS://x/y", "file:/x", "s3:/b/x"])
def test_urls_that_are_not_read_are_told_with_those_that_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("r.json").write_text("[]")
    result = CliRunner().invoke(main, ["score", "r.json", "--data", place])
    told = result.output.splitlines()[-1]
    assert result.exit_code == 2 and f"'{place}': no URL that is read" in told
    assert "s3://, gs:// and file:///" in told
    Path("ftp:/x/y").mkdir(parents=True)
    result = CliRunner().invoke(main, ["score", "r.json", "--data", "ftp:/x/y"])
    assert result.exit_code == 2 and "no URL" not in result.output, "a folder of that name is a folder"
