"""URLs of object stores among the arguments of commands: brought here before, sent there afterwards."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lard.cli.spoken import renamed, spoken
from lard.cli.wanted import ALL, EDITED, FILE, FOLDER, LEARNT, OWN, SPLIT, TABLES, wanted_files

if TYPE_CHECKING:
    from lard.store.mount import Mount

SCHEMES = ("s3://", "gs://", "file://", "memory://")
_DATASET_OUT = {"dataset": ALL, "out": FOLDER}
_TABLES_OUT = {"dataset": TABLES, "out": FOLDER}
# command: parameter: what is brought of a dataset, or what kind of output it is
TAKEN: Mapping[str, Mapping[str, str]] = {
    "pull": {"url": OWN},
    "push": {"url": OWN},
    "render": {"frames_path": FILE, "ground": OWN, "out": OWN},
    "label": {"scenario": EDITED, "out": FILE},
    "partition": {"dataset": EDITED},
    "inspect": {"dataset": ALL, "out": FILE},
    "explore": {"dataset": ALL, "results": FILE, "findings": FILE, "tables": FILE, "out": FOLDER},
    "dqr run": {"dataset": ALL, "out": FOLDER, "waivers": FILE},
    "predict": {"model": FILE, "datasets": SPLIT, "out": FILE},
    "train": {"datasets": LEARNT, "start": FILE},
    "score": {"results": FILE, "datasets": TABLES, "validation": FILE, "out": FILE},
    "import webdataset": {"source": ALL, "out": FOLDER},
    "export coco": _TABLES_OUT,
    "export card": {"dataset": TABLES, "out": FILE},
    **{
        f"export {name}": _DATASET_OUT
        for name in ("yolo", "lard", "huggingface", "webdataset", "fiftyone", "cvat", "labelstudio")
    },
}
_OUTPUTS = ("out",)
_FRAMES = (".parquet", ".yaml", ".yml", ".json", ".esp")
"""How files end that commands take in the place of a dataset."""
BESIDE = ".score.json"
"""How the score file of results is called, beside them."""
_NEEDED = {"score": ("results", "out"), "label": ("", "")}
"""Of a command, an input by URL and the output that must then be named: beside the input it would be lost."""


def is_url(value: object) -> bool:
    """Whether an argument names a place in an object store."""
    return isinstance(value, str) and value.lower().startswith(SCHEMES)


def taking_urls(run: Callable[..., Any]) -> Callable[..., Any]:
    """The function of a command, given folders and files here in the place of URLs that it takes."""

    @functools.wraps(run)
    def local(*args: Any, **values: Any) -> Any:
        if not any(is_url(one) for value in values.values() for one in _each(value)):
            return run(*args, **values)
        command = " ".join(click.get_current_context().command_path.split()[1:])
        taken = TAKEN.get(command, {})
        for name, value in values.items():
            for one in _each(value):
                if is_url(one) and name not in taken:
                    raise click.UsageError(
                        f"{one}: `lard {command}` takes no URL here; fetch it first: lard pull URL FOLDER"
                    )
        needed = _NEEDED.get(command)
        if needed and is_url(values.get(needed[0])) and values.get(needed[1]) is None:
            raise click.UsageError(f"--{needed[1]} is needed where {needed[0].upper()} is a URL")
        if command == "explore" and is_url(values["dataset"]) and not values["copy_images"]:
            raise click.UsageError("--copy-images is needed where DATASET is a URL: pages show copies")
        with _Session(values) as session:
            return run(*args, **{name: session.local(name, value, taken) for name, value in values.items()})

    return local


def _each(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)


class _Session:
    """What one command has brought here; sends its outputs when it ends well, or as far as it could."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values, self._stack = values, ExitStack()
        self._names: dict[str, str] = {}
        self._after: list[Callable[[], None]] = []
        self._mounts: dict[str, Mount] = {}
        self._written: set[str] = set()

    def __enter__(self) -> _Session:
        self._say = self._stack.enter_context(spoken(self._names, lambda: bool(self._after)))
        _sessions.append(self)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None:
        from lard.errors import LardError

        _sessions.remove(self)
        code = getattr(error, "exit_code", getattr(error, "code", None))
        try:
            if kind is None or code in (0, 1):  # 1: judged and found wanting, or part of it failed
                for send in self._after:
                    send()
            self._say()  # results are told when they are where the command was asked to put them
        finally:
            self._stack.close()
        if isinstance(error, click.ClickException):
            object.__setattr__(error, "message", renamed(error.message, self._names))  # declared as final
        if isinstance(error, LardError):
            raise type(error)(renamed(str(error), self._names)) from error

    def call(self, place: Path, url: str) -> None:
        """Let messages call a place by its URL."""
        self._names[str(place)] = url

    def local(self, name: str, value: Any, taken: Mapping[str, str]) -> Any:
        """An argument with its URLs as places here."""
        kind = taken.get(name, OWN)
        if isinstance(value, tuple):
            return tuple(self._place(name, one, kind) if is_url(one) else one for one in value)
        return self._place(name, value, kind) if is_url(value) and kind != OWN else value

    def _place(self, name: str, url: str, kind: str) -> Path | str:
        if kind == OWN:
            return url
        place = self._output(url, kind) if name in _OUTPUTS else self._input(url, kind)
        return str(place) if name in _AS_TEXT else place

    def _input(self, url: str, kind: str) -> Path:
        from lard.errors import DataError
        from lard.store.mount import fetch_file
        from lard.store.urls import checked_url

        url = checked_url(url)
        if kind == FILE or (kind == EDITED and Path(url).suffix.lower() in _FRAMES):
            listed = kind == EDITED and self._listed(url, TABLES)
            place = listed or fetch_file(url, self._scratch(url))
            if place is None or not place.is_file():
                raise DataError(f"{url}: no such object; check the URL")
            if url.endswith(".json"):  # where a score file beside results tells their operating point
                fetch_file(url.removesuffix(".json") + BESIDE, place.parent)
            return place
        mount = self._mount(url, kind)
        if kind == EDITED:
            self._back(mount)
        return mount.folder

    def _output(self, url: str, kind: str) -> Path:
        """Where an output is written here; what lies there already is brought, so that it is not lost."""
        from lard.store.contents import CONTENTS
        from lard.store.mount import fetch_file, send_file
        from lard.store.opening import open_store
        from lard.store.push import local_files, send
        from lard.store.urls import checked_url, last_name

        url = checked_url(url)
        if kind == FILE:
            if listed := self._listed(url, FILE):
                return listed
            scratch = self._scratch(url)
            place = fetch_file(url, scratch) or scratch / last_name(url)
            before = place.stat().st_mtime_ns if place.exists() else None

            def send_written() -> None:
                if place.exists() and place.stat().st_mtime_ns != before:
                    send_file(place, url)

            self._after.append(send_written)
            return place
        store = open_store(url)
        if CONTENTS in store.listing():
            mount = self._mount(url, ALL)
            self._back(mount)
            return mount.folder
        place = self._scratch(url) / last_name(url)

        def send_folder() -> None:
            if place.is_dir():
                send(store, dict(local_files(place)), {})

        self._after.append(send_folder)
        return place

    def _listed(self, url: str, kind: str) -> Path | None:
        """Where a file of a folder with a list lies, which then changes with it; None of any other file."""
        from lard.store.contents import CONTENTS
        from lard.store.faults import Missing
        from lard.store.opening import open_store
        from lard.store.urls import last_name, parent

        try:
            open_store(parent(url)).info(CONTENTS)
        except Missing:
            return None
        mount, name = self._mount(parent(url), kind), last_name(url)
        if name in mount.contents.files:
            mount.add([name])
        self._back(mount)
        return mount.folder / name

    def _mount(self, url: str, kind: str) -> Mount:
        """A folder of a store here, one for all arguments that name it."""
        from lard.store.mount import mounted

        if url not in self._mounts:
            find = functools.partial(wanted_files, kind, self._values)
            self._mounts[url] = self._stack.enter_context(mounted(url, find))
            self._names[str(self._mounts[url].folder)] = url
        else:
            self._mounts[url].add(wanted_files(kind, self._values, self._mounts[url]))
        return self._mounts[url]

    def _back(self, mount: Mount) -> None:
        """Let what a command changes in a folder be sent when it ends."""
        from lard.store.mount import write_back
        from lard.store.push import local_files

        url = mount.store.url
        if url in self._written:
            return
        self._written.add(url)
        brought = [path for path, _ in local_files(mount.folder)]
        self._after.append(lambda: _told(write_back(mount, _gone(mount, brought)), url))

    def _scratch(self, url: str) -> Path:
        """An empty folder that stands for what holds a URL."""
        from lard.files import affixes, staging
        from lard.store.cache import cache_folder
        from lard.store.urls import last_name, parent

        root = cache_folder()
        root.mkdir(parents=True, exist_ok=True)
        made = self._stack.enter_context(staging(root, affixes("mount"))) / last_name(parent(url))
        made.mkdir()  # called as in the store, for commands that name what they make after its folder
        self._names[str(made)] = parent(url)
        return made


_sessions: list[_Session] = []


def call_by(place: Path, url: str) -> None:
    """Let messages of the command that runs call a place by its URL."""
    for session in _sessions[-1:]:
        session.call(place, url)


_AS_TEXT = ("model", "frames_path", "start")
"""Parameters that commands take as texts."""


def _gone(mount: Mount, brought: Iterable[str]) -> list[str]:
    """Files that a command has removed of those that were brought here."""
    return [path for path in brought if not (mount.folder / path).is_file()]


def _told(count: int, url: str) -> None:
    if count:
        click.echo(f"{url}: {count} files sent", err=True)
