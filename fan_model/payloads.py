"""The service's words: bodies of requests in, bodies of answers out, as in MLflow's scoring protocol."""

import base64
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

from mlflow.exceptions import ERROR_CODE_TO_HTTP_STATUS

from fan_model.artist import Artwork
from fan_model.limits import RequestLimits, refuse_unknown
from fan_model.requests import ArtworkRequest, RequestError

ROW_KEYS = ("dataframe_records", "dataframe_split", "inputs", "instances")
"""Keys of MLflow's protocol that rows may stand under."""
CONTENT_TYPE = "application/json"
MAX_USER_ID_CHARACTERS = 256

StoredProfiles = Callable[[str, str], tuple[Sequence[str], Sequence[float]]]
"""References and weights stored for a user (id) and a prompt; both empty where there are none."""

Row = Mapping[str, Any]


class UnsupportedMediaTypeError(RequestError):
    """A body that is no JSON by its header."""

    http_status = 415


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
        RequestError: A field is unknown, missing, of the wrong type or out of its range.
    """
    refuse_unknown("a row", row, [*ArtworkRequest.__dataclass_fields__, "user_id"])
    asked = {name: value for name, value in row.items() if value is not None}
    user_id = asked.pop("user_id", None)
    if user_id is not None and not (isinstance(user_id, str) and 0 < len(user_id) <= MAX_USER_ID_CHARACTERS):
        raise RequestError(f"user_id must be a text of 1 to {MAX_USER_ID_CHARACTERS} characters")
    request = limits.parse_request(asked)
    if user_id is None or stored_profiles is None or "references" in asked:
        return request
    references, weights = stored_profiles(user_id, request.prompt)
    return limits.parse_request({**asked, "references": list(references), "weights": list(weights)})


def encode_artworks(artworks: Iterable[Artwork]) -> bytes:
    """Write the body of an answer; images are base64 without line breaks."""
    predictions = [
        {**asdict(artwork), "image": base64.b64encode(artwork.image).decode("ascii")} for artwork in artworks
    ]
    return json.dumps({"predictions": predictions}).encode()


def encode_refusal(http_status: int, sentence: str) -> bytes:
    """Write the body of a refusal, with MLflow's name of its status."""
    names = {status: name for name, status in ERROR_CODE_TO_HTTP_STATUS.items()}
    return json.dumps({"error_code": names.get(http_status, "BAD_REQUEST"), "message": sentence}).encode()


def _decode_json(body: bytes) -> dict[str, Any]:
    try:
        content = json.loads(body.decode("utf-8"))
    except UnicodeDecodeError:
        raise RequestError("the body must be valid UTF-8") from None
    except (ValueError, RecursionError):
        raise RequestError("the body must be valid JSON, nested less than a thousand levels deep") from None
    if not isinstance(content, dict):
        raise RequestError(f"the body must be a JSON object with exactly one of {', '.join(ROW_KEYS)}")
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
