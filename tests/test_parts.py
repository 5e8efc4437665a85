"""Tables in parts by airport: read as those of one file, labelled one by one, joined to the same bytes."""

import shutil
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner

from lard.airports import load_shipped
from lard.cli import main
from lard.errors import DataError
from lard.export import common
from lard.export.common import open_dataset
from lard.labels.layout import TABLES, join_tables, split_tables
from lard.odd import load_spec
from lard.parts import digest, is_parted, is_table, part_files, read_parts, replaced, scan
from lard.scenario import sample
from lard.tables import FRAMES, LABELS, MANIFEST, read_table, write_table

AIRPORTS = ["EHAM", "KATL", "LFPO", "LFPG"]  # the last two see each other's runways


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A labelled folder with a manifest, tables in one file each."""
    folder = tmp_path_factory.mktemp("made") / "data"
    folder.mkdir()
    frames = sample(load_spec("lard_v2"), load_shipped(), AIRPORTS, 80, 3, split={"test": ["EHAM"]})
    write_table(frames, folder / "frames.parquet", FRAMES)
    assert CliRunner().invoke(main, ["label", str(folder)]).exit_code == 0
    manifest = pl.DataFrame(
        {
            **{name: [None] * len(frames) for name in MANIFEST},
            "frame_id": frames["frame_id"],
            "image": frames.select("images/" + pl.col("frame_id") + ".jpg").to_series(),
        }
    ).cast(dict(MANIFEST))
    write_table(manifest, folder / "manifest.parquet", MANIFEST)
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(made, tmp_path / "data"))


def _bytes(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in (*TABLES, "dataset.json")}


def test_split_and_joined_again_the_bytes_are_the_same(made: Path, folder: Path) -> None:
    assert split_tables(folder) == list(TABLES)
    for name, schema in TABLES.items():
        assert sorted(part_files(folder / name)) == sorted(AIRPORTS)
        assert read_table(folder / name, schema).equals(read_table(made / name, schema))
    assert split_tables(folder) == []
    assert join_tables(folder) == list(TABLES)
    assert _bytes(folder) == _bytes(made)
    assert join_tables(folder) == []
    assert sorted(path.name for path in folder.iterdir()) == sorted(path.name for path in made.iterdir())


def test_labels_follow_the_layout_of_the_frames_and_say_the_same(made: Path, folder: Path) -> None:
    """Each part holds what its frames see, other airports' runways too; whatever lay there before."""
    split_tables(folder)
    shutil.rmtree(folder / "labels.parquet")
    done = CliRunner().invoke(main, ["label", str(folder)])
    assert done.exit_code == 0, done.output
    assert is_parted(folder / "labels.parquet")
    frames = read_table(made / "frames.parquet", FRAMES)
    for airport, (file,) in part_files(folder / "labels.parquet").items():
        of = set(frames.filter(pl.col("airport") == airport)["frame_id"])
        assert set(pl.read_parquet(file)["frame_id"]) <= of
    before = {name: value for name, value in _bytes(made).items() if name != "manifest.parquet"}
    assert (folder / "dataset.json").read_bytes() == before["dataset.json"]
    join_tables(folder)
    assert (folder / "labels.parquet").read_bytes() == before["labels.parquet"]
    # and the other way: frames joined, labels still in parts, labelled again into one file
    split_tables(folder)
    shutil.rmtree(folder / "frames.parquet")
    shutil.copy(made / "frames.parquet", folder / "frames.parquet")
    assert CliRunner().invoke(main, ["label", str(folder)]).exit_code == 0
    assert (folder / "labels.parquet").read_bytes() == before["labels.parquet"]


@pytest.mark.parametrize(
    "command",
    [
        ["export", "coco", "DATA", "--out", "OUT"],
        ["odd", "coverage", "DATA", "--odd", "lard_v2", "--json", "OUT"],
        ["odd", "coverage", "DATA/frames.parquet", "--odd", "lard_v2", "--json", "OUT"],
        ["label", "DATA/frames.parquet", "--out", "OUT.parquet"],
    ],
    ids=lambda command: " ".join(command[:3]),
)
def test_commands_read_both_layouts_alike(made: Path, folder: Path, command: list[str]) -> None:
    split_tables(folder)
    results = []
    for data in (made, folder):
        out = folder.parent / f"of_{data.parent.name}"
        words = [word.replace("DATA", str(data)).replace("OUT", str(out)) for word in command]
        done = CliRunner().invoke(main, words)
        assert done.exit_code == 0, done.output
        files = [path for path in folder.parent.rglob("*") if str(path).startswith(str(out))]
        results.append({str(path)[len(str(out)) :]: path.read_bytes() for path in files if path.is_file()})
    assert results[0] == results[1] and results[0]


def test_the_report_names_what_it_judged_in_either_layout(made: Path, folder: Path) -> None:
    from lard.quality import load_dataset
    from lard.quality.outputs import provenance
    from lard.quality.runner import Run

    split_tables(folder)
    files = [provenance(Run(load_dataset(data), ()))["files"] for data in (made, folder)]
    assert set(files[0]) == set(files[1]) == {*TABLES, "dataset.json"}
    assert files[0]["dataset.json"] == files[1]["dataset.json"]
    assert files[1]["frames.parquet"] == digest(folder / "frames.parquet")
    assert open_dataset(folder, images=False).manifest is not None
    (file,) = part_files(folder / "frames.parquet")["KATL"]
    table = pl.read_parquet(file)
    write_table(table.with_columns(alt_m=table["alt_m"] + 1), file, FRAMES)
    assert files[1]["frames.parquet"] != digest(folder / "frames.parquet")


def test_a_column_that_some_parts_lack_is_empty_there(folder: Path) -> None:
    split_tables(folder)
    (file,) = part_files(folder / "labels.parquet")["EHAM"]
    write_table(pl.read_parquet(file).with_columns(hidden_fraction=pl.lit(0.5)), file, LABELS)
    table = read_table(folder / "labels.parquet", LABELS)
    assert table.filter(pl.col("airport") == "EHAM")["hidden_fraction"].null_count() == 0
    assert table.filter(pl.col("airport") != "EHAM")["hidden_fraction"].null_count() > 0
    assert scan(folder / "labels.parquet").select(pl.len()).collect().item() == len(table)


@pytest.mark.parametrize(
    ("stray", "told"),
    [
        ("note.txt", "note.txt: no part of a table"),
        ("airport=EHAM/note.txt", "note.txt: no part of a table"),
        ("runway=24/part-0.parquet", "runway=24: no part of a table"),
    ],
)
def test_what_is_no_part_is_named(folder: Path, stray: str, told: str) -> None:
    split_tables(folder)
    path = folder / "frames.parquet" / stray
    path.parent.mkdir(exist_ok=True)
    path.write_text("x")
    with pytest.raises(DataError, match=told):
        read_table(folder / "frames.parquet", FRAMES)
    done = CliRunner().invoke(main, ["label", str(folder)])
    assert done.exit_code == 2 and stray.split("/")[-1] in done.output.replace("\n", "")


def test_a_damaged_part_is_one_line(folder: Path) -> None:
    split_tables(folder)
    (file,) = part_files(folder / "frames.parquet")["KATL"]
    file.write_bytes(b"PAR1")
    done = CliRunner().invoke(main, ["odd", "coverage", str(folder), "--odd", "lard_v2"])
    assert done.exit_code == 2 and f"{file}: not a readable parquet table" in done.output.replace("\n", "")


@pytest.mark.parametrize("name", ["lat_deg", "airport"])
def test_a_part_without_a_column_of_frames_is_named_and_joins_to_nothing_empty(
    folder: Path, name: str
) -> None:
    split_tables(folder)
    (file,) = part_files(folder / "frames.parquet")["KATL"]
    pl.read_parquet(file).drop(name).write_parquet(file)
    for command in (["partition", str(folder), "--join"], ["label", str(folder)]):
        done = CliRunner().invoke(main, command)
        assert done.exit_code == 2 and f"{file}: column {name} is missing" in done.output.replace("\n", "")
    assert is_parted(folder / "frames.parquet")


def test_labels_of_unknown_frames_stop_a_split_and_leave_all_as_it_was(made: Path, folder: Path) -> None:
    labels = pl.read_parquet(folder / "labels.parquet").with_columns(frame_id=pl.lit("nobody"))
    write_table(labels, folder / "labels.parquet", LABELS)
    before = _bytes(folder)
    done = CliRunner().invoke(main, ["partition", str(folder)])
    assert done.exit_code == 2 and "nobody" in done.output
    assert (folder / "labels.parquet").read_bytes() == before["labels.parquet"]
    assert read_table(folder / "frames.parquet", FRAMES).equals(read_table(made / "frames.parquet", FRAMES))


def test_a_run_killed_while_tables_change_places_loses_none(made: Path, folder: Path) -> None:
    """The old table lies beside, and comes back; a failure puts nothing in its place."""
    (folder / "labels.parquet").rename(folder / ".labels.parquet.before")
    done = CliRunner().invoke(main, ["partition", str(folder)])
    assert done.exit_code == 0 and is_table(folder / "labels.parquet")
    join_tables(folder)
    assert _bytes(folder) == _bytes(made)
    with pytest.raises(RuntimeError), replaced(folder / "labels.parquet") as new:
        new.mkdir()
        raise RuntimeError
    assert _bytes(folder) == _bytes(made)
    assert not (folder / ".labels.parquet.before").exists()
    done = CliRunner().invoke(main, ["partition", str(folder / "nowhere")])
    assert done.exit_code == 2 and "no such dataset folder" in done.output


def test_coco_written_piece_by_piece_is_the_document(made: Path, tmp_path: Path) -> None:
    """Byte for byte, empty splits and texts with line breaks too."""
    from lard.export.coco import coco_dataset, write_coco
    from lard.labels.dataset import read_dataset
    from lard.tables import json_text

    frames, labels, info = read_dataset(made)
    info = {**info, "note": "two\nlines", "nothing": {}, "none": []}
    frames = frames.with_columns(
        split=pl.when(frames["split"] == "val").then(pl.lit("train")).otherwise("split")
    )
    counts = write_coco(frames, labels, tmp_path, info)
    first = 1
    for split, count in counts.items():
        part = frames.filter(pl.col("split") == split)
        document = coco_dataset(part, labels, {**info, "split": split}, first_image_id=first)
        assert (tmp_path / f"{split}.json").read_text() == json_text(document)
        assert [image["id"] for image in document["images"]] == list(range(first, first + count))
        first += count
    assert counts["val"] == 0 and min(counts["train"], counts["test"]) > 0


@pytest.mark.parametrize("verdicts", [(), ("IN_ODD",)])
def test_labels_of_frames_are_looked_up_in_any_order(
    made: Path, monkeypatch: pytest.MonkeyPatch, verdicts: tuple[str, ...]
) -> None:
    """Some at a time, in order and out of it: those that a filter and a sort give."""
    monkeypatch.setattr(common, "_ROWS_AT_ONCE", 5)
    dataset = open_dataset(made, images=False)
    found, names = dataset.visible(verdicts), dataset.frames["frame_id"].sort().to_list()
    for name in [*names, *names[::-3], "nobody"]:
        rows = dataset.labels.filter((pl.col("frame_id") == name) & (pl.col("visible_fraction") > 0))
        rows = rows.filter(pl.col("verdict").is_in(verdicts)) if verdicts else rows
        assert found[name] == rows.sort("airport", "runway").to_dicts()


def test_columns_are_read_some_at_a_time(made: Path, folder: Path) -> None:
    """Those asked for, in the order of one file; types that differ are told."""
    split_tables(folder)
    whole = read_table(made / "labels.parquet", LABELS)
    wanted = ("verdict", "frame_id", "polygon", "x_tl_px", "runway", "no such")
    some = read_parts(folder / "labels.parquet", columns=wanted)
    assert some.equals(whole.select([name for name in whole.columns if name in wanted]))
    (file,) = part_files(folder / "frames.parquet")["KATL"]
    pl.read_parquet(file).with_columns(seed=pl.lit([1])).write_parquet(file)
    with pytest.raises(DataError, match=r"frames\.parquet"):
        read_table(folder / "frames.parquet", FRAMES)


def test_workers_label_airports_to_the_same_bytes(made: Path, folder: Path) -> None:
    wanted = _bytes(made)["labels.parquet"], _bytes(made)["dataset.json"]
    (folder / "labels.parquet").unlink()
    done = CliRunner().invoke(main, ["label", str(folder), "--workers", "2"])
    assert done.exit_code == 0, done.output
    assert ((folder / "labels.parquet").read_bytes(), (folder / "dataset.json").read_bytes()) == wanted
    elsewhere = ["label", str(folder), "--out", str(folder / "other.parquet"), "--workers", "2"]
    assert CliRunner().invoke(main, elsewhere).exit_code == 0
    assert (folder / "other.parquet").read_bytes() == wanted[0]
    split_tables(folder)
    shutil.rmtree(folder / "labels.parquet")
    assert CliRunner().invoke(main, ["label", str(folder), "--workers", "2"]).exit_code == 0
    assert sorted(part_files(folder / "labels.parquet")) == sorted(AIRPORTS)
    join_tables(folder)
    assert ((folder / "labels.parquet").read_bytes(), (folder / "dataset.json").read_bytes()) == wanted
    refused = CliRunner().invoke(main, ["label", str(folder), "--workers", "many"])
    assert refused.exit_code == 2 and "workers is 'many'" in refused.stderr
    assert (folder / "labels.parquet").read_bytes() == wanted[0]


def test_a_part_that_is_lost_or_there_twice_is_named(folder: Path, tmp_path: Path) -> None:
    """Else the frames of an airport would be background to whoever trains on the export."""
    split_tables(folder)
    part = folder / "labels.parquet" / "airport=KATL"
    shutil.copy(part / "part-0.parquet", part / "part-1.parquet")
    export = ["export", "coco", str(folder), "--out", str(tmp_path / "coco")]
    told = CliRunner().invoke(main, export)
    assert told.exit_code == 2 and "is labelled twice; label again" in told.stderr
    shutil.rmtree(part)
    for words in (export, ["partition", str(folder), "--join"]):
        told = CliRunner().invoke(main, words)
        assert (
            told.exit_code == 2 and "no part for KATL, though frames.parquet has frames of it" in told.stderr
        )
    assert is_parted(folder / "frames.parquet") and not (tmp_path / "coco").exists()


def test_airports_without_labels_have_a_part_without_rows(made: Path, folder: Path) -> None:
    labels = read_table(made / "labels.parquet", LABELS)
    seen = read_table(made / "frames.parquet", FRAMES).filter(pl.col("airport") != "EHAM")["frame_id"]
    write_table(labels.filter(pl.col("frame_id").is_in(seen.implode())), folder / "labels.parquet", LABELS)
    before = (folder / "labels.parquet").read_bytes()
    split_tables(folder)
    assert sorted(part_files(folder / "labels.parquet")) == sorted(AIRPORTS)
    join_tables(folder)
    assert (folder / "labels.parquet").read_bytes() == before
