"""URLs of object stores: which are taken, how they are written in messages, never with a secret."""

import re
from urllib.parse import unquote, urlsplit

from lard.errors import DataError
from lard.files import inside

SCHEMES = ("s3", "gs", "file", "memory")
"""Stores that are taken; memory lives in one process and serves tests."""
_URL = re.compile(rf"({'|'.join(SCHEMES)})://", re.IGNORECASE)
_LONGEST = 1024  # bytes of a key, in S3 and in Google Cloud Storage


def is_url(text: object) -> bool:
    """Whether a text names a place in an object store."""
    return isinstance(text, str) and _URL.match(text) is not None


def checked_url(text: str) -> str:
    """A URL as scheme://bucket/prefix without a slash at its end; DataError for what is none or has secrets.

    Credentials come from the environment or the files of the store's own tools, never from a URL: URLs are
    told in messages and kept in lists.
    """
    if not is_url(text):
        raise DataError(
            f"{text[:80]!r}: no URL of a store; expected {'://, '.join(SCHEMES[:-1])}:// and a place"
        )
    parts = urlsplit(text)
    scheme = parts.scheme.lower()
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise DataError(
            f"{scheme}://{parts.netloc.rpartition('@')[2]}/...: credentials, queries and fragments do not "
            "belong in the URL; give scheme://bucket/prefix, and credentials by the environment "
            "(docs/scale.md)"
        )
    place = text.split("://", 1)[1]
    if scheme == "file":
        if parts.netloc not in ("", "localhost") or not parts.path.startswith("/"):
            raise DataError(f"{text[:200]}: expected file:/// and an absolute path")
        place = unquote(parts.path)
    place = place.rstrip("/")
    bucket, _, prefix = place.partition("/")
    if scheme != "file" and not re.fullmatch(r"[A-Za-z0-9._-]{1,222}", bucket):
        raise DataError(f"{text[:200]}: bucket {bucket[:80]!r}; expected letters, digits, dots and dashes")
    if scheme != "file" and prefix:
        inside(prefix, text[:200])
        if "//" in prefix:  # some stores fold it, so that the place would be another's
            raise DataError(f"{text[:200]}: has an empty part in {prefix[:80]!r}; write one slash")
    if len(place.encode()) > _LONGEST:
        raise DataError(f"{text[:200]}...: longer than {_LONGEST} bytes; choose a shorter place")
    return f"{scheme}://{place}"


def joined(url: str, name: str) -> str:
    """The URL of what lies below another."""
    return f"{url}/{name}"


def last_name(url: str) -> str:
    """The last part of a URL: what a folder or file of it is called."""
    return url.rstrip("/").rpartition("/")[2]


def parent(url: str) -> str:
    """The URL that holds another; DataError where that is a whole bucket or file system."""
    above, _, name = url.rpartition("/")
    if not name or above.endswith(("/", ":")):
        raise DataError(f"{url}: is a whole bucket; name a file below it, as in {url}/results.json")
    return above
