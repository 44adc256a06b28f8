"""Files of a workspace, in its folder or in an object store: each written whole, and read whole.

Paths are relative to the workspace, with `/` between their parts. Keys of an object store come from the
environment only, as its own libraries read them (`AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`,
`AWS_SESSION_TOKEN`, `AWS_REGION`, `AWS_ENDPOINT_URL`).
"""

import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import lru_cache
from itertools import takewhile
from pathlib import Path
from typing import Protocol

from feature_store.lake.durable_files import NOTHING_LOST, FileAccessError, write_durably
from feature_store.lake.sql import quote

S3 = "s3://"
KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
REGIONS = ("AWS_REGION", "AWS_DEFAULT_REGION")
PATIENCE = timedelta(minutes=3)
"""How long an object store may not answer before a night stops."""
DELETED_AT_ONCE = 1000
S3_OPTIONS = "SET s3_uploader_max_filesize = '50GB'; SET http_retries = 8; SET http_timeout = 60"
"""DuckDB holds ten thousandth parts of the largest file in memory while it uploads; 5 MB are enough."""


class StoreUnreachableError(ConnectionError):
    """An object store does not answer, or refuses; the message says what was tried."""


class StorageKeysError(RuntimeError):
    """The environment has no keys of the object store."""


class StoredFiles(Protocol):
    """Files under one root."""

    def address(self, path: str) -> str:
        """Write where a file is, as DuckDB reads it."""

    def link(self, path: str, *, seconds: int | None = None) -> str:
        """Write where a file is, as a browser reads it.

        Args:
            path: of the file.
            seconds: how long the link lets anybody in who has it; None for one that asks for permission.
        """

    def write(self, path: str, content: bytes) -> None:
        """Write a file so that a reader sees all of it, or what was there before."""

    def read(self, path: str) -> bytes | None:
        """Read a file; None if there is none."""

    def size(self, path: str) -> int | None:
        """Return a file's number of bytes; None if there is none."""

    def list(self, folder: str) -> Iterator[str]:
        """List the files in a folder and below it."""

    def delete(self, paths: Iterable[str]) -> None:
        """Delete files; one that is not there is passed over."""


class FolderFiles:
    """Files in a folder of this machine."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def address(self, path: str) -> str:
        """Write the absolute path."""
        return str(self.root / path)

    def link(self, path: str, *, seconds: int | None = None) -> str:
        """Write the file's URL; who may read the folder may follow it."""
        return (self.root / path).as_uri()

    def write(self, path: str, content: bytes) -> None:
        """Write a file aside, sync it and put it in its place."""
        write_durably(self.root / path, content)

    def read(self, path: str) -> bytes | None:
        """Read a file; None if there is none."""
        try:
            return (self.root / path).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise FileAccessError(
                f"cannot read {self.root / path}: {error.strerror}. Correct its permissions, and run again"
            ) from error

    def size(self, path: str) -> int | None:
        """Return a file's number of bytes; None if there is none."""
        file = self.root / path
        return file.stat().st_size if file.is_file() else None

    def list(self, folder: str) -> Iterator[str]:
        """List the files in a folder and below it."""
        for path in (self.root / folder).rglob("*"):
            if path.is_file():
                yield str(path.relative_to(self.root))

    def delete(self, paths: Iterable[str]) -> None:
        """Delete files, and the folders that are empty then."""
        for path in paths:
            file = self.root / path
            file.unlink(missing_ok=True)
            for folder in takewhile(lambda folder: folder != self.root, file.parents):
                try:
                    folder.rmdir()
                except OSError:  # There are other files in it.
                    break


class ObjectFiles:
    """Files in an object store that speaks S3: a PUT is seen whole or not at all.

    Args:
        storage: `s3://bucket/prefix`.

    Raises:
        StorageKeysError: if the environment has no keys.
    """

    def __init__(self, storage: str) -> None:
        from obstore.store import S3Store

        check_keys()
        self._storage = storage.rstrip("/")
        # Plain HTTP is for who names an endpoint that speaks it.
        endpoint = _variable(*ENDPOINTS)
        self._store: S3Store = S3Store.from_url(
            self._storage,
            config={"endpoint": endpoint} if endpoint else {},
            client_options={"allow_http": endpoint.startswith("http://"), "timeout": "60s"},
            retry_config={"max_retries": 20, "retry_timeout": PATIENCE},
        )

    def address(self, path: str) -> str:
        """Write the URL."""
        return f"{self._storage}/{path}"

    def link(self, path: str, *, seconds: int | None = None) -> str:
        """Write the URL that HTTP knows, signed if it is to let anybody in for some time."""
        import obstore

        if seconds:
            return obstore.sign(self._store, "GET", path, timedelta(seconds=seconds))
        bucket, _, prefix = self._storage.removeprefix(S3).partition("/")
        root = _variable(*ENDPOINTS).rstrip("/") or "https://s3.amazonaws.com"
        return "/".join(part for part in (root, bucket, prefix, path) if part)

    def write(self, path: str, content: bytes) -> None:
        """Put an object."""
        import obstore

        with self._explaining("write", path):
            obstore.put(self._store, path, content)

    def read(self, path: str) -> bytes | None:
        """Get an object; None if there is none."""
        import obstore

        try:
            with self._explaining("read", path):
                return obstore.get(self._store, path).bytes().to_bytes()
        except FileNotFoundError:
            return None

    def size(self, path: str) -> int | None:
        """Return an object's number of bytes; None if there is none."""
        import obstore

        try:
            with self._explaining("look for", path):
                return obstore.head(self._store, path)["size"]
        except FileNotFoundError:
            return None

    def list(self, folder: str) -> Iterator[str]:
        """List the objects under a prefix of whole parts."""
        import obstore

        with self._explaining("list", folder):
            for some in obstore.list(self._store, folder, chunk_size=DELETED_AT_ONCE):
                yield from (str(one["path"]) for one in some)

    def delete(self, paths: Iterable[str]) -> None:
        """Delete objects, many with one request."""
        import obstore

        left = list(paths)
        for start in range(0, len(left), DELETED_AT_ONCE):
            with self._explaining("delete", left[start]):
                obstore.delete(self._store, left[start : start + DELETED_AT_ONCE])

    @contextmanager
    def _explaining(self, what: str, path: str) -> Iterator[None]:
        """Say in one line what an object store refused; a missing object is none of that."""
        from obstore.exceptions import BaseError

        try:
            yield
        except FileNotFoundError:
            raise
        except BaseError as error:
            reason = f"{type(error).__name__} at {_variable(*ENDPOINTS) or 'AWS'}"
            raise StoreUnreachableError(
                f"cannot {what} {self.address(path)}: {reason}. See that the server answers and that the "
                f"keys may do that. {NOTHING_LOST}"
            ) from error


@lru_cache(maxsize=8)
def open_files(root: Path, storage: str | None = None) -> StoredFiles:
    """Open the files of a workspace: those of its folder, or where there is one, of its object store."""
    return ObjectFiles(storage) if storage else FolderFiles(root)


def sha256(content: bytes) -> str:
    """Return the SHA-256 of a content, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def check_keys() -> None:
    """See that the environment has the keys of an object store.

    Raises:
        StorageKeysError: if it has not.
    """
    missing = [name for name in KEYS if not os.environ.get(name)]
    if missing:
        raise StorageKeysError(
            f"the environment has no {' and no '.join(missing)}: storage is an object store, whose keys are "
            "taken from the environment only"
        )


def secret_sql(storage: str) -> str:
    """Write the SQL that lets DuckDB reach an object store, for as long as a connection lasts."""
    check_keys()
    endpoint, region = _variable(*ENDPOINTS), _variable(*REGIONS) or "us-east-1"
    options = {"KEY_ID": os.environ[KEYS[0]], "SECRET": os.environ[KEYS[1]], "REGION": region}
    options |= {"SESSION_TOKEN": token} if (token := _variable("AWS_SESSION_TOKEN")) else {}
    if endpoint:
        scheme, _, host = endpoint.rpartition("://")
        options |= {"ENDPOINT": host.rstrip("/"), "URL_STYLE": "path"}
        options |= {"USE_SSL": "false"} if scheme == "http" else {}
    options |= {"SCOPE": storage}
    written = ", ".join(f"{name} {quote(value)}" for name, value in options.items())
    return f"CREATE OR REPLACE SECRET storage (TYPE s3, {written}); {S3_OPTIONS}"


def _variable(*names: str) -> str:
    """The value of the first of some variables that is set, empty if none is."""
    return next((value for name in names if (value := os.environ.get(name))), "")
