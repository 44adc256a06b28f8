"""The service's two languages: its own bodies of requests and answers, and those of MLflow's protocol."""

import base64
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Annotated, Any, NamedTuple

from pydantic import Field
from pydantic.dataclasses import dataclass

from fan_model.drawing.limits import refuse_unknown
from fan_model.request_errors import RequestError
from fan_model.service.messages.answers import Answer

MLFLOW_ROW_KEYS = ("dataframe_records", "dataframe_split", "inputs", "instances")
"""Keys of MLflow's protocol that rows may stand under."""

ERROR_CODES = {
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "RESOURCE_DOES_NOT_EXIST",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL_ERROR",
    503: "TEMPORARILY_UNAVAILABLE",
}
"""MLflow's names of what is wrong, where it is not the content of the request."""

Row = Mapping[str, Any]


@dataclass(frozen=True)
class RefusalBody:
    """What is answered in place of pictures."""

    error_code: Annotated[str, Field(examples=["INVALID_PARAMETER_VALUE"])]
    """MLflow's name of what is wrong."""
    message: Annotated[str, Field(examples=["alpha must be a number from 0 to 1"])]
    """One sentence, which repeats nothing that was sent."""


class Payload(NamedTuple):
    """The content of one request."""

    rows: list[Row]
    """One per picture."""
    options: Row
    """The same for all of them."""


class Protocol(NamedTuple):
    """A language in which pictures are asked for and answered."""

    read: Callable[[Mapping[str, Any], int], Payload]
    """Finds rows, at most so many, and options in a body."""
    options_key: str
    """What options are called in it."""
    answer_key: str
    """What pictures are called in answers."""


def read_artworks_body(content: Mapping[str, Any], max_rows: int) -> Payload:
    """Read a body of the service's own: `rows`, and `options` if wanted.

    Raises:
        RequestError: It is shaped otherwise, or has no rows or too many.
    """
    refuse_unknown("the body", content, ["rows", "options"])
    rows = content.get("rows")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise RequestError('rows must be a list of objects, one per picture: [{"prompt": "..."}]')
    return _payload("rows", rows, "options", content.get("options"), max_rows)


def read_invocations_body(content: Mapping[str, Any], max_rows: int) -> Payload:
    """Read a body of MLflow's protocol: rows in one of its four shapes, and `params` if wanted.

    Raises:
        RequestError: It is shaped otherwise, or has no rows or too many.
    """
    refuse_unknown("the body", content, [*MLFLOW_ROW_KEYS, "params"])
    keys = [key for key in MLFLOW_ROW_KEYS if key in content]
    if len(keys) != 1:
        raise RequestError(f"the body must have exactly one of {', '.join(MLFLOW_ROW_KEYS)}")
    rows = _read_split(content[keys[0]]) if keys[0] == "dataframe_split" else _read_rows(content[keys[0]])
    return _payload(keys[0], rows, "params", content.get("params"), max_rows)


OWN = Protocol(read_artworks_body, options_key="options", answer_key="artworks")
MLFLOW = Protocol(read_invocations_body, options_key="params", answer_key="predictions")


def encode_answers(answers: Iterable[Answer], answer_key: str) -> bytes:
    """Write the body of an answer; images are base64 without line breaks."""
    plain = [
        {**asdict(answer), "image": base64.b64encode(answer.image).decode("ascii")} for answer in answers
    ]
    return json.dumps({answer_key: plain}).encode()


def encode_refusal(http_status: int, sentence: str) -> bytes:
    """Write the body of a refusal, with MLflow's name of its status."""
    error_code = ERROR_CODES.get(http_status, "INVALID_PARAMETER_VALUE")
    return json.dumps(asdict(RefusalBody(error_code, sentence))).encode()


def _payload(rows_key: str, rows: list[Row], options_key: str, options: object, max_rows: int) -> Payload:
    if not 1 <= len(rows) <= max_rows:
        raise RequestError(f"{rows_key} must have 1 to {max_rows} rows")
    if not isinstance(options, dict | None):
        raise RequestError(f"{options_key} must be an object of names and values")
    return Payload(rows, options or {})


def _read_rows(content: object) -> list[Row]:
    """Rows from a list of objects or prompts, one object, or an object of columns (`prompt` is a list)."""
    if isinstance(content, dict):
        content = _read_columns(content) if isinstance(content.get("prompt"), list) else [content]
    if isinstance(content, list) and content and all(isinstance(prompt, str) for prompt in content):
        return [{"prompt": prompt} for prompt in content]
    if not isinstance(content, list) or not all(isinstance(row, dict) for row in content):
        raise RequestError(
            'the rows must be a list of prompts, or of objects, one per picture: [{"prompt": "..."}]'
        )
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
