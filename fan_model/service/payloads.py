"""The service's words: bodies of requests in, bodies of answers out, as in MLflow's scoring protocol."""

import base64
import json
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Annotated, Any, NamedTuple

from pydantic import Field, TypeAdapter, ValidationError

from fan_model.drawing.artist import Artwork
from fan_model.drawing.limits import RequestLimits, refuse_unknown
from fan_model.drawing.requests import ArtworkRequest, RequestError
from fan_model.drawing.texts import Words

ROW_KEYS = ("dataframe_records", "dataframe_split", "inputs", "instances")
"""Keys of MLflow's protocol that rows may stand under."""
CONTENT_TYPE = "application/json"
MAX_USER_ID_CHARACTERS = 256
USER_ID = TypeAdapter(Annotated[Words, Field(strict=True, min_length=1, max_length=MAX_USER_ID_CHARACTERS)])

ERROR_CODES = {429: "RESOURCE_EXHAUSTED", 500: "INTERNAL_ERROR", 503: "TEMPORARILY_UNAVAILABLE"}
"""MLflow's names of what is not the caller's fault."""

StoredProfiles = Callable[[str, str], tuple[Sequence[str], Sequence[float]]]
"""References and weights stored for a user (id) and a prompt; both empty where there are none."""

Row = Mapping[str, Any]

logger = logging.getLogger(__name__)


class UnsupportedMediaTypeError(RequestError):
    """A body that is no JSON by its header."""

    http_status = 415


class NoStoredProfilesError(RequestError):
    """Stored profiles are configured, but cannot be read."""

    http_status = 503


class Payload(NamedTuple):
    """The content of one request."""

    rows: list[Row]
    """One per picture."""
    params: Row
    """The same for all of them."""


def decode_payload(body: bytes, content_type: str, limits: RequestLimits) -> Payload:
    """Read the body of a request.

    Raises:
        RequestError: It is no JSON in UTF-8, or no rows in one of MLflow's four shapes.
    """
    if content_type.split(";")[0].strip().lower() != CONTENT_TYPE:
        raise UnsupportedMediaTypeError(f"Content-Type must be {CONTENT_TYPE}")
    content = _decode_json(body)
    refuse_unknown("the body", content, [*ROW_KEYS, "params"])
    keys = [key for key in ROW_KEYS if key in content]
    if len(keys) != 1:
        raise RequestError(f"the body must have exactly one of {', '.join(ROW_KEYS)}")
    rows = _read_split(content[keys[0]]) if keys[0] == "dataframe_split" else _read_rows(content[keys[0]])
    if not 1 <= len(rows) <= limits.max_rows:
        raise RequestError(f"{keys[0]} must have 1 to {limits.max_rows} rows")
    params = content.get("params")
    if not isinstance(params, dict | None):
        raise RequestError("params must be an object of names and values")
    return Payload(rows, params or {})


def read_request(row: Row, limits: RequestLimits, stored_profiles: StoredProfiles | None) -> ArtworkRequest:
    """The request of one row; a user without references is given those of the stored profile.

    Fields that are null count as not given.

    Raises:
        RequestError: A field is unknown, missing, of the wrong type or out of its range, or the stored
            profiles cannot be read.
    """
    refuse_unknown("a row", row, [*ArtworkRequest.__dataclass_fields__, "user_id"])
    asked = {name: value for name, value in row.items() if value is not None}
    user_id = _read_user_id(asked.pop("user_id", None))
    request = limits.parse_request(asked)
    if user_id is None or stored_profiles is None or "references" in asked:
        return request
    references, weights = _look_up(stored_profiles, user_id, request.prompt)
    return limits.parse_request({**asked, "references": list(references), "weights": list(weights)})


def encode_artworks(artworks: Iterable[Artwork]) -> bytes:
    """Write the body of an answer; images are base64 without line breaks."""
    predictions = [
        {**asdict(artwork), "image": base64.b64encode(artwork.image).decode("ascii")} for artwork in artworks
    ]
    return json.dumps({"predictions": predictions}).encode()


def encode_refusal(http_status: int, sentence: str) -> bytes:
    """Write the body of a refusal, with MLflow's name of its status."""
    error_code = ERROR_CODES.get(http_status, "INVALID_PARAMETER_VALUE")
    return json.dumps({"error_code": error_code, "message": sentence}).encode()


def _read_user_id(value: object) -> str | None:
    try:
        return None if value is None else USER_ID.validate_python(value)
    except ValidationError:
        raise RequestError(f"user_id must be a text of 1 to {MAX_USER_ID_CHARACTERS} characters") from None


def _look_up(
    stored_profiles: StoredProfiles, user_id: str, prompt: str
) -> tuple[Sequence[str], Sequence[float]]:
    try:
        return stored_profiles(user_id, prompt)
    except Exception:
        logger.exception("the stored profiles cannot be read")
        raise NoStoredProfilesError(
            "user_id cannot be looked up now: give references, or try again later"
        ) from None


def _decode_json(body: bytes) -> dict[str, Any]:
    try:
        content = json.loads(body.decode("utf-8"), object_pairs_hook=_each_once)
    except UnicodeDecodeError:
        raise RequestError("the body must be valid UTF-8") from None
    except RequestError:
        raise
    except (ValueError, RecursionError):
        raise RequestError("the body must be valid JSON, nested less than a thousand levels deep") from None
    if not isinstance(content, dict):
        raise RequestError(f"the body must be a JSON object with exactly one of {', '.join(ROW_KEYS)}")
    return content


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON; of two values for one name, readers would disagree which one counts."""
    content = dict(pairs)
    if len(content) < len(pairs):
        raise RequestError("the body must not name a field twice in one object")
    return content


def _read_rows(content: object) -> list[Row]:
    """Rows from a list of objects, one object, or an object of columns (its prompts are a list)."""
    if isinstance(content, dict):
        content = _read_columns(content) if isinstance(content.get("prompt"), list) else [content]
    if not isinstance(content, list) or not all(isinstance(row, dict) for row in content):
        raise RequestError("the rows must be a list of objects, one per picture")
    return content


def _read_columns(columns: dict[str, Any]) -> list[Row]:
    if not all(isinstance(column, list) for column in columns.values()):
        raise RequestError("the columns must be lists, with one value per picture")
    return _zip_rows(list(columns), zip(*columns.values(), strict=True))


def _read_split(content: object) -> list[Row]:
    """Rows from pandas' split form: names of columns, and lists of values."""
    if not isinstance(content, dict) or not set(content) <= {"columns", "data", "index"}:
        raise RequestError("dataframe_split must be an object with columns and data")
    columns, data = content.get("columns"), content.get("data")
    if not isinstance(columns, list) or not isinstance(data, list):
        raise RequestError("dataframe_split must have lists as columns and data")
    if not all(isinstance(name, str) for name in columns) or len(set(columns)) < len(columns):
        raise RequestError("dataframe_split must have different names as columns")
    if not all(isinstance(values, list) for values in data):
        raise RequestError("dataframe_split must have one list of values per picture as data")
    return _zip_rows(columns, data)


def _zip_rows(columns: Sequence[str], data: Iterable[Sequence[Any]]) -> list[Row]:
    try:
        return [dict(zip(columns, values, strict=True)) for values in data]
    except ValueError:
        raise RequestError("the rows must have one value for each column") from None
