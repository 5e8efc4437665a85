"""Objects in S3 and stores that speak its protocol: checked by MD5, large ones in parts."""

import base64
import hashlib
import os
import re
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from lard.errors import DataError
from lard.store.faults import Damaged, retried
from lard.store.objects import PIECE_BYTES, Digests, Store, Stored
from lard.store.urls import joined

_MOST_PARTS = 10_000  # of an upload, by the protocol
_AT_ONCE = 4  # parts of one file
_MD5 = re.compile(r"[0-9a-f]{32}(?:-\d+)?")


class S3Store(Store):
    """Objects in a bucket of S3."""

    def __init__(self, url: str, fs: Any) -> None:
        super().__init__(url, fs)
        self._bucket, _, self._prefix = self._root.partition("/")

    def holds(self, stored: Stored, known: Digests) -> bool | None:
        """Whether an object of the listing has a file's content; None where the store does not tell."""
        if stored.size != known.size:
            return False
        return stored.tag == _etag(known) if _MD5.fullmatch(stored.tag) else None

    def piece_bytes(self, size: int) -> int:
        """Size of the parts that a file of this size is sent in, 0 for as a whole."""
        if size <= PIECE_BYTES:
            return 0
        part_bytes = PIECE_BYTES
        while part_bytes * _MOST_PARTS < size:
            part_bytes *= 2
        return part_bytes

    def abandoned(self, paths: Collection[str]) -> int:
        """End uploads in parts that killed runs left of these objects, whose parts cost room; how many."""
        ours, ended = {self._name(path) for path in paths}, 0
        after: dict[str, str] = {}
        while True:
            page = self._tried(
                partial(self._call, "list_multipart_uploads", Prefix=self._name(""), **after), "", "listed"
            )
            for upload in page.get("Uploads", []):
                if upload["Key"] in ours:
                    self._abort(upload["Key"], upload["UploadId"])
                    ended += 1
            if not page.get("IsTruncated"):
                return ended
            after = {"KeyMarker": page["NextKeyMarker"], "UploadIdMarker": page.get("NextUploadIdMarker", "")}

    def _name(self, path: str) -> str:
        return f"{self._prefix}/{path}" if self._prefix else path

    def _call(self, method: str, **given: Any) -> dict[str, Any]:
        answer: dict[str, Any] = self._fs.call_s3(method, Bucket=self._bucket, **given)
        return answer

    def _found(self) -> dict[str, Stored]:
        """1,000 objects a request; of a prefix, those below it and not those whose names begin alike."""
        found: dict[str, Stored] = {}
        below, token = self._name(""), dict[str, str]()
        while True:
            page = self._tried(partial(self._call, "list_objects_v2", Prefix=below, **token), "", "listed")
            for entry in page.get("Contents", []):
                found[entry["Key"][len(below) :]] = Stored(int(entry["Size"]), entry["ETag"].strip('"'))
            if not page.get("IsTruncated"):
                return found
            token = {"ContinuationToken": page["NextContinuationToken"]}

    def _info(self, path: str) -> Stored:
        answer = self._call("head_object", Key=self._name(path))
        return Stored(int(answer["ContentLength"]), str(answer["ETag"]).strip('"'))

    def _put(self, path: str, data: bytes) -> Stored:
        md5 = hashlib.md5(data, usedforsecurity=False)
        answer = self._call("put_object", Key=self._name(path), Body=data, ContentMD5=_base64(md5.digest()))
        return self._told(path, answer, md5.hexdigest(), len(data))

    def _put_large(self, path: str, source: Path, known: Digests) -> Stored:
        key, part_bytes = self._name(path), self.piece_bytes(known.size)
        upload = self._call("create_multipart_upload", Key=key)["UploadId"]
        try:
            with ThreadPoolExecutor(_AT_ONCE) as pool, source.open("rb") as stream:

                def send(number: int) -> dict[str, Any]:
                    return self._sent(path, upload, number, stream.fileno(), part_bytes, known)

                parts = list(pool.map(send, range(1, len(known.pieces) + 1)))
            answer = self._call(
                "complete_multipart_upload", Key=key, UploadId=upload, MultipartUpload={"Parts": parts}
            )
        except BaseException:
            with suppress(Exception):  # the fault that led here is the one to tell
                self._abort(key, upload)
            raise
        return self._told(path, answer, _etag(known), known.size)

    def _sent(
        self, path: str, upload: str, number: int, handle: int, part_bytes: int, known: Digests
    ) -> dict[str, Any]:
        """Send one part of a file, tried by itself; its number and tag."""
        data = os.pread(handle, part_bytes, (number - 1) * part_bytes)
        md5 = hashlib.md5(data, usedforsecurity=False)
        if md5.digest() != known.pieces[number - 1]:
            raise DataError(f"{path}: has changed while it was sent; let what writes it end, and push again")
        given = {"Key": self._name(path), "UploadId": upload, "PartNumber": number, "Body": data}

        def once() -> dict[str, Any]:
            answer = self._call("upload_part", ContentMD5=_base64(md5.digest()), **given)
            self._told(path, answer, md5.hexdigest(), len(data))
            return {"PartNumber": number, "ETag": answer["ETag"]}

        return retried(once, joined(self.url, path), "written")

    def _told(self, path: str, answer: dict[str, Any], wanted: str, size: int) -> Stored:
        """What the store tells of bytes just written; Damaged where its tag is the MD5 of others."""
        tag = str(answer.get("ETag", "")).strip('"')
        own_key = answer.get("ServerSideEncryption") == "aws:kms" or "SSECustomerAlgorithm" in answer
        if _MD5.fullmatch(tag) and tag != wanted and not own_key:  # a tag of what is encrypted is no MD5
            raise Damaged(
                f"{joined(self.url, path)}: the store tells the MD5 {tag} of what it got, {wanted} was sent; "
                "run again, and check what stands between"
            )
        return Stored(size, tag)

    def _abort(self, key: str, upload: str) -> None:
        retried(lambda: self._call("abort_multipart_upload", Key=key, UploadId=upload), self.url, "written")


def _etag(known: Digests) -> str:
    """The tag of a file's content: its MD5; of one in parts the MD5 of theirs, and their number."""
    if not known.pieces:
        return known.md5
    return f"{hashlib.md5(b''.join(known.pieces), usedforsecurity=False).hexdigest()}-{len(known.pieces)}"


def _base64(digest: bytes) -> str:
    return base64.b64encode(digest).decode()
