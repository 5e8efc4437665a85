"""Stores by URL: the client of each, made once per process."""

import os
from functools import cache
from typing import Any

from lard.errors import SourceError
from lard.store.objects import Store
from lard.store.pool import threads
from lard.store.s3 import S3Store
from lard.store.urls import checked_url

_CONNECT_S, _READ_S = 10, 60


def open_store(url: str) -> Store:
    """The store of a URL; SourceError where the package that speaks to it is not installed."""
    url = checked_url(url)
    scheme = url.partition("://")[0]
    fs = _client(scheme, os.getpid())
    return S3Store(url, fs) if scheme == "s3" else Store(url, fs)


@cache
def _client(scheme: str, _: int) -> Any:
    """A client by its scheme, of this process: none is shared with those that fork from it."""
    import fsspec

    try:
        if scheme == "s3":
            import s3fs

            fs = s3fs.S3FileSystem(
                use_listings_cache=False,
                skip_instance_cache=True,
                max_concurrency=1,  # of one object; several objects are read at once
                config_kwargs={
                    # tried again by us, and checked by the MD5 that we send, which all stores know
                    "retries": {"total_max_attempts": 1, "mode": "standard"},
                    "request_checksum_calculation": "when_required",
                    "response_checksum_validation": "when_required",
                    "max_pool_connections": max(10, 2 * threads()),
                    "connect_timeout": _CONNECT_S,
                    "read_timeout": _READ_S,
                },
            )
            fs.retries = 1
            return fs
        if scheme == "gs":
            from gcsfs.core import GCSFileSystem  # that of plain buckets, which asks nothing about their kind

            return GCSFileSystem(use_listings_cache=False, skip_instance_cache=True)
        return fsspec.filesystem(scheme, skip_instance_cache=scheme != "memory")
    except ImportError as error:
        raise SourceError(
            f"{scheme}://: the package that reads it is not installed ({error.name}); pip install "
            f"'lard[{scheme}]'"
        ) from error
