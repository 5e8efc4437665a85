"""What goes wrong with stores: which faults pass by themselves, and what to tell of the others."""

import os
import random
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from lard.errors import DataError, LardError, SourceError

T = TypeVar("T")
_TRIES, _FIRST_S, _LONGEST_S = 8, 0.25, 15.0
_TRANSIENT = {
    "SlowDown", "ServiceUnavailable", "InternalError", "RequestTimeout", "Throttling", "ThrottlingException",
    "RequestLimitExceeded", "BadDigest", "IncompleteBody", "OperationAborted", "XAmzContentSHA256Mismatch",
    "TooManyRequests", "500", "502", "503", "504", "429", "408",
    "NoSuchUpload",  # another push of the same file has ended ours; the file is sent from its beginning
}  # fmt: skip
_DENIED = {"AccessDenied", "AllAccessDisabled", "Forbidden", "403", "MethodNotAllowed"}
_UNKNOWN = {
    "InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "AuthorizationHeaderMalformed", "401",
    "Unauthorized", "InvalidClientTokenId", "TokenRefreshRequired",
}  # fmt: skip
_CREDENTIALS = {
    "s3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS, or `gcloud auth application-default login`",
}


class Damaged(SourceError):
    """Bytes that are not those that were sent or stated; another try may bring the right ones."""


class Missing(DataError):
    """An object that is not there."""


def tries() -> int:
    """LARD_STORE_TRIES of the environment: how often a request is tried before its fault is told."""
    text = os.environ.get("LARD_STORE_TRIES", str(_TRIES))
    if not (text.isascii() and text.isdecimal() and 1 <= int(text) <= 100):
        raise LardError(f"LARD_STORE_TRIES is {text!r}; expected a number from 1 to 100")
    return int(text)


def retried(do: Callable[[], T], url: str, doing: str) -> T:
    """What a request gives, tried again with longer and longer waits while its faults may pass by themselves.

    `doing` says what is done at the URL ("read", "written", "listed"). LardError tells the last fault in a
    line.
    """
    most = tries()
    for number in range(1, most + 1):
        try:
            return do()
        except LardError as error:
            if not isinstance(error, Damaged) or number == most:
                raise
        except Exception as error:  # clients of stores raise errors of many classes; those unknown show
            if not is_transient(error):
                raise told_fault(error, url, doing) from error
            if number == most:
                raise told_fault(error, url, doing, f" after {most} tries") from error
        # half of the wait by chance, so that many workers do not come back all at once
        time.sleep(min(_FIRST_S * 2 ** (number - 1), _LONGEST_S) * (0.5 + random.random() / 2))
    raise AssertionError("unreachable")


def is_transient(error: BaseException) -> bool:
    """Whether a fault may pass by itself: a busy store, a broken connection."""
    codes = set(_codes(error))
    if codes & _TRANSIENT:
        return True
    if codes or _named(error, "NoCredentialsError", "PartialCredentialsError", "ProfileNotFound"):
        return False
    return _is_of_network(error)


def told_fault(error: BaseException, url: str, doing: str, after: str = "") -> Exception:
    """A fault as one line that names URL and remedy; the error itself where nothing is known of it."""
    codes, scheme = set(_codes(error)), url.partition("://")[0]
    wanted = _CREDENTIALS.get(scheme, "the credentials of the store")
    if "NoSuchBucket" in codes:
        return DataError(f"{url}: there is no such bucket; check its name and the endpoint, or create it")
    if codes & {"NoSuchKey", "404", "NotFound"}:
        return Missing(f"{url}: no such object; check the URL, or push it first")
    if codes & {"ExpiredToken", "ExpiredTokenException", "RequestTimeTooSkewed"}:
        return SourceError(f"{url}: the credentials have expired, or the clock is wrong; renew {wanted}")
    if codes & _UNKNOWN:
        return SourceError(f"{url}: the store does not accept the credentials; check {wanted}")
    if codes & _DENIED:
        return SourceError(f"{url}: cannot be {doing}, permission is denied; ask for it, or check {wanted}")
    if _named(
        error, "NoCredentialsError", "PartialCredentialsError", "ProfileNotFound", "DefaultCredentialsError"
    ):
        return SourceError(f"{url}: no credentials were found; set {wanted}")
    if codes & _TRANSIENT:
        return SourceError(
            f"{url}: cannot be {doing}, the store is busy or fails{after} ({', '.join(sorted(codes))}); run "
            "again later, what is finished is kept"
        )
    if codes:
        return SourceError(f"{url}: cannot be {doing}, the store answers {', '.join(sorted(codes))}")
    if _is_of_network(error):
        return SourceError(
            f"{url}: cannot be {doing}, no whole answer of the store{after} ({type(error).__name__}); check "
            "the network and AWS_ENDPOINT_URL, and run again: what is finished is kept"
        )
    name = getattr(error, "filename", None)
    if name is not None and not str(name).startswith(url.partition("://")[2]):
        return error if isinstance(error, Exception) else SourceError(str(error))  # of this machine's files
    if isinstance(error, FileNotFoundError) and doing == "written":
        return DataError(f"{url}: there is no such bucket; check its name, or create it")
    if isinstance(error, FileNotFoundError):
        return Missing(f"{url}: no such object; check the URL, or push it first")
    if isinstance(error, PermissionError):
        return SourceError(f"{url}: cannot be {doing}, permission is denied; ask for it, or check {wanted}")
    return error if isinstance(error, Exception) else SourceError(f"{url}: {type(error).__name__}")


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error and those that it came from."""
    for _ in range(10):
        if error is None:
            return
        yield error
        error = error.__cause__ or error.__context__


def _codes(error: BaseException) -> Iterator[str]:
    """Codes of a store's answer: its own, and that of HTTP where the own one is unknown."""
    for one in _chain(error):
        response = getattr(one, "response", None)
        if isinstance(response, dict):
            yield str(response.get("Error", {}).get("Code", ""))
            status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
            if status in (500, 502, 503, 504, 429):
                yield str(status)
            return
        code = getattr(one, "code", None)
        if type(one).__module__.startswith("gcsfs") and code is not None:
            yield str(code)
            return


def _named(error: BaseException, *names: str) -> bool:
    return any(type(one).__name__ in names for one in _chain(error))


def _is_of_network(error: BaseException) -> bool:
    packages = ("aiohttp", "botocore", "aiobotocore", "urllib3", "asyncio", "google")
    return any(
        isinstance(one, ConnectionError | TimeoutError)
        or (type(one).__module__.partition(".")[0] in packages and not isinstance(one, LardError))
        or type(one).__name__ == "FSTimeoutError"
        for one in _chain(error)
    )
