"""What the path of a source means: a place on this machine, or an address whose files are copied here.

Addresses are those of object stores and web servers (`s3://`, `gs://`, `https://`, ...), and of this machine
(`file:///`).

Credentials come from the environment, as each store's own client reads them; nothing here asks for any.
"""

import atexit
import hashlib
import os
import shutil
import tempfile
from difflib import get_close_matches
from functools import cache
from glob import has_magic
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

import fsspec

from feature_store.schemas.addresses import address_of, without_secrets
from recsys_adapters.errors import SourceFileError

_S3_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
_PACKAGES = {"s3": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "az": "adlfs", "abfs": "adlfs"}

SCHEMES = ("s3", "gs", "abfs", "az", "https", "http", "file")
"""Those that messages name; others that fsspec knows work, too."""


def place_of(path: Path) -> Path:
    """The place on this machine that a path of the settings means; what is elsewhere is copied here.

    Raises:
        SourceFileError: if it is an address, and there is nothing, or it cannot be read.
    """
    address = address_of(path)
    if address is None:
        return path
    scheme, _, rest = address.partition("://")
    if scheme == "file":
        return Path("/", unquote(rest).removeprefix("localhost/"))
    return copy_here(address)


def copy_here(address: str) -> Path:
    """Copy what an address means into a folder that lasts as long as the process.

    Args:
        address: of a file, a folder or a pattern.

    Returns:
        The path (or pattern) that means the same here.

    Raises:
        SourceFileError: if there is nothing, or it cannot be read.
    """
    scheme = address.partition("://")[0]
    if scheme not in fsspec.available_protocols():
        raise _no_scheme(scheme)
    try:
        return _copy(address)
    except ImportError as error:
        raise name_package(scheme) from error
    except SourceFileError:
        raise
    except Exception as error:
        # Not the error's own words: a client repeats the whole address, with what is secret in it.
        status = f" {error.status}" if hasattr(error, "status") else ""
        raise SourceFileError(
            f"{without_secrets(address)} cannot be read ({type(error).__name__}{status}). Look at the "
            "address, and at the credentials in the environment."
        ) from error


def _no_scheme(scheme: str) -> SourceFileError:
    meant = get_close_matches(scheme, SCHEMES, n=1, cutoff=0.5)
    hint = f"; did you mean {meant[0]}://?" if meant else "."
    known = ", ".join(f"{one}://" for one in SCHEMES)
    return SourceFileError(
        f"{scheme}:// is no scheme of addresses{hint} Write a path of this machine, {known}, or another "
        "scheme that fsspec knows"
    )


def name_package(scheme: str) -> SourceFileError:
    """What to say where the package is missing that reads such addresses."""
    package = _PACKAGES.get(scheme, "that fsspec names")
    return SourceFileError(f"to read {scheme}:// install the package {package}")


def _copy(address: str) -> Path:
    store, place = _open(address)
    is_pattern = has_magic(place.partition("?")[0]) and not address.startswith("http")
    files = store.glob(place) if is_pattern else [place] if _is_file(store, place) else store.find(place)
    files = [file for file in files if is_pattern is False or store.isfile(file)]
    if not files:
        raise SourceFileError(f"{without_secrets(address)} has no files: look at the address")
    root = _root(place) if is_pattern or files != [place] else str(PurePosixPath(place).parent)
    here = _folder(address)
    for file in files:
        _fetch(store, file, here / _relative(file, root))
    if is_pattern:
        return here / _relative(place, root)
    return here / _relative(place, root) if files == [place] else here


def _is_file(store: fsspec.AbstractFileSystem, place: str) -> bool:
    """Whether a file is there; a server that does not answer is no server without the file."""
    if not place.startswith("http"):
        return bool(store.isfile(place))
    try:
        return bool(store.info(place)["type"] == "file")
    except FileNotFoundError as error:
        cause = error.__cause__
        if isinstance(cause, OSError) and not isinstance(cause, FileNotFoundError):
            raise cause from None
        return False


def _open(address: str) -> tuple[fsspec.AbstractFileSystem, str]:
    """The store of an address, and the place in it."""
    try:
        return fsspec.core.url_to_fs(address)
    except ImportError:
        # The package that keeps a lake in an object store reads the same variables of the environment.
        if not address.startswith("s3://") or find_spec("obstore") is None:
            raise
    from obstore.fsspec import FsspecStore

    endpoint = next((value for name in _S3_ENDPOINTS if (value := os.environ.get(name))), "")
    # A store that is kept would go on with the keys, and with the list of files, of the night before.
    FsspecStore.clear_instance_cache()
    store = FsspecStore(
        "s3",
        config={"endpoint": endpoint} if endpoint else {},
        client_options={"allow_http": endpoint.startswith("http://"), "timeout": "60s"},
    )
    return store, address.partition("://")[2]


def _root(place: str) -> str:
    """The folder above the first part that is a pattern."""
    parts = PurePosixPath(place).parts
    fixed = [
        part for part in parts[: next((i for i, part in enumerate(parts) if has_magic(part)), len(parts))]
    ]
    return str(PurePosixPath(*fixed)) if fixed else ""


def _relative(file: str, root: str) -> str:
    return str(PurePosixPath(file)).removeprefix(root).lstrip("/").partition("?")[0]


def _fetch(store: fsspec.AbstractFileSystem, file: str, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    store.get_file(file, str(target))


def _folder(address: str) -> Path:
    folder = _copies() / hashlib.md5(address.encode(), usedforsecurity=False).hexdigest()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


@cache
def _copies() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="fan-remote-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
