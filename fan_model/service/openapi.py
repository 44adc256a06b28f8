"""What /openapi.json and /docs say of the bodies: every field with its type, range, default and an example.

The types that requests are read into say it; the deployment's limits and defaults are put on top of them.
"""

import math
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI
from pydantic import TypeAdapter
from starlette.responses import Response

from fan_model.drawing.fields import Allowed
from fan_model.drawing.images import MIME_TYPES
from fan_model.drawing.limits import PUBLIC_NAMES, RequestLimits, Sides
from fan_model.drawing.requests import ArtworkRequest, DrawingOptions
from fan_model.service.artwork_service import ArtworkService
from fan_model.service.messages.answers import Answer
from fan_model.service.messages.json_bodies import CONTENT_TYPE
from fan_model.service.messages.payloads import MLFLOW_ROW_KEYS, RefusalBody
from fan_model.service.messages.request_rows import MAX_ID_CHARACTERS

Schema = dict[str, Any]
WORDS = {str: "string", int: "integer", float: "number"}
"""What JSON schema calls the types of items."""

EXAMPLE_ROW = {
    "prompt": "The Maltese Falcon (1941), film-noir mystery film poster",
    "references": ["Blade Runner (1982), action sci-fi thriller film poster"],
    "weights": [5],
    "seed": 7,
}
EXAMPLE_OPTIONS = {
    "alpha": 0.6,
    "contrast": 0.0,
    "crowd": [],
    "crowd_weights": [],
    "num_references": 10,
    "num_inference_steps": 20,
    "guidance_scale": 3.5,
    "height": None,
    "width": None,
    "negative_prompt": "blurry",
    "format": "webp",
    "skip_layers": [0],
    "keep_words": False,
    "target_query": True,
    "profiling": True,
}
EXAMPLE_USER_ID = "4711"

REFUSALS = {
    400: "A field is unknown, missing, of the wrong type or out of its range.",
    401: "A token is needed: `Authorization: Bearer ...`.",
    403: "The token does not speak for the user.",
    408: "The body did not arrive in time.",
    413: "The body is too large.",
    415: "The body is no JSON by its header.",
    429: "The queue is full, or the caller has its share of it: `Retry-After` says when to come back.",
    500: "The service failed, or the model gave no picture; its log names the request by `X-Request-ID`.",
    503: "Pictures were not drawn in time, or stored profiles cannot be read: see `Retry-After`.",
}
REFUSALS_OF_PICTURES = {
    400: "An id is missing, too long, or has a character NUL in it.",
    401: REFUSALS[401],
    403: REFUSALS[403],
    404: "There is none: not drawn, refused, or the user has opted out.",
    503: "The stored pictures cannot be read: see `Retry-After`.",
}


def describe_own(service: ArtworkService) -> dict[str, Any]:
    """Describe `POST /artworks`, as FastAPI takes it."""
    body = {
        "type": "object",
        "additionalProperties": False,
        "required": ["rows"],
        "properties": {"rows": _rows_of(service), "options": _refer(DrawingOptions)},
    }
    example = {"rows": [EXAMPLE_ROW], "options": {"alpha": 0.6, "format": "webp"}}
    return _describe("Draw pictures", body, example, "artworks")


def describe_invocations(service: ArtworkService) -> dict[str, Any]:
    """Describe `POST /invocations`, MLflow's scoring protocol, as FastAPI takes it."""
    rows = {key: _rows_of(service) for key in MLFLOW_ROW_KEYS if key != "dataframe_split"}
    split = {
        "type": "object",
        "description": "Names of columns, and the values of each row.",
        "required": ["columns", "data"],
        "properties": {
            "columns": {"type": "array", "items": {"type": "string"}, "examples": [list(EXAMPLE_ROW)]},
            "data": {"type": "array", "items": {"type": "array"}, "examples": [[list(EXAMPLE_ROW.values())]]},
            "index": {"type": "array", "description": "Not read.", "examples": [[0]]},
        },
    }
    body = {
        "type": "object",
        "additionalProperties": False,
        "properties": {**rows, "dataframe_split": split, "params": _refer(DrawingOptions)},
        "oneOf": [{"required": [key]} for key in MLFLOW_ROW_KEYS],
    }
    example = {"dataframe_records": [EXAMPLE_ROW], "params": {"alpha": 0.6, "format": "webp"}}
    return _describe("Draw pictures, in MLflow's scoring protocol", body, example, "predictions")


def describe_pictures() -> dict[str, Any]:
    """Describe `GET /pictures`, as FastAPI takes it."""
    files = {kind: {"schema": {"type": "string", "format": "binary"}} for kind in MIME_TYPES.values()}
    parameters = [
        {"name": name, "in": "query", "required": True, "schema": {"type": "string"}, "description": what}
        for name, what in (("user_id", "Whose picture."), ("item_id", "Of what."))
    ]
    return {
        "summary": "The picture that nights have drawn",
        "response_class": Response,
        "responses": {
            200: {"description": "The file; `ETag` is its digest.", "content": files},
            304: {"description": "`If-None-Match` names the digest that it still has."},
            **_refuse(REFUSALS_OF_PICTURES),
        },
        "openapi_extra": {"parameters": parameters},
    }


def describe_ready() -> dict[str, Any]:
    """Describe what `GET /ready` answers, as FastAPI takes it."""
    not_ready = {503: "It could not: the stored profiles cannot be read. See `Retry-After`."}
    return {"responses": {200: {"description": "Any good request could be answered."}, **_refuse(not_ready)}}


def name_types(application: FastAPI, service: ArtworkService) -> None:
    """Put the types of bodies into an application's description by name, as makers of clients want them.

    FastAPI does so with bodies that it reads itself; these are read within the deployment's limits, and
    refused in its own words.
    """
    sides, defaults = service.artist.sides, service.options
    types = {
        ArtworkRequest: rows_schema(service.limits)["items"],
        DrawingOptions: options_schema(service.limits, sides, defaults),
        Answer: _answer_schema(),
        RefusalBody: TypeAdapter(RefusalBody).json_schema(),
    }
    describe_paths = application.openapi

    def describe() -> Schema:
        document = describe_paths()
        named = document.setdefault("components", {}).setdefault("schemas", {})
        named.update({kind.__name__: schema for kind, schema in types.items()})
        return document

    application.openapi = describe  # type: ignore[method-assign]  # FastAPI's documented way


def rows_schema(limits: RequestLimits) -> Schema:
    """JSON schema of the rows of a request, one per picture."""
    schema = TypeAdapter(ArtworkRequest).json_schema()
    fields = schema["properties"]
    _narrow(fields, limits.request)
    fields["user_id"] = {
        "type": "string",
        "description": "Whose stored profile is used where no references are given.",
        "minLength": 1,
        "maxLength": MAX_ID_CHARACTERS,
    }
    _add_examples(fields, {**EXAMPLE_ROW, "user_id": EXAMPLE_USER_ID})
    return {"type": "array", "minItems": 1, "maxItems": limits.max_rows, "items": schema}


def options_schema(limits: RequestLimits, sides: Sides, defaults: DrawingOptions) -> Schema:
    """JSON schema of the options of a request, with what holds where they are not given."""
    schema = TypeAdapter(DrawingOptions).json_schema(by_alias=False)
    own = TypeAdapter(DrawingOptions).dump_python(defaults, mode="json", by_alias=False)
    for name, field in schema["properties"].items():
        field["default"] = own[name]
    _narrow(schema["properties"], limits.options(sides))
    fields = {PUBLIC_NAMES[name]: field for name, field in schema["properties"].items()}
    _add_examples(fields, EXAMPLE_OPTIONS)
    return {**schema, "properties": fields}


def _narrow(fields: Mapping[str, Schema], allowed: Mapping[str, Allowed]) -> None:
    """Put what a deployment allows in the place of what the fields themselves do."""
    for name, field in fields.items():
        _type_of(field).update(_range_of(allowed[name]))


def _range_of(allowed: Allowed) -> Schema:
    lengths = ("minItems", "maxItems") if allowed.kind is tuple else ("minLength", "maxLength")
    bounds = {
        "minimum": allowed.lowest,
        "maximum": allowed.highest,
        "multipleOf": allowed.multiple,
        lengths[0]: allowed.shortest or None,
        lengths[1]: allowed.longest,
        "items": None
        if allowed.item is None
        else {"type": WORDS[allowed.item.kind], **_range_of(allowed.item)},
    }
    return {name: value for name, value in bounds.items() if value not in (None, math.inf, -math.inf)}


def _rows_of(service: ArtworkService) -> Schema:
    return {**rows_schema(service.limits), "items": _refer(ArtworkRequest)}


def _refer(kind: type) -> Schema:
    return {"$ref": f"#/components/schemas/{kind.__name__}"}


def _refuse(reasons: Mapping[int, str]) -> dict[int, dict[str, Any]]:
    """Describe refusals, by their status and what each of them means."""
    content = {CONTENT_TYPE: {"schema": _refer(RefusalBody)}}
    return {status: {"description": why, "content": content} for status, why in reasons.items()}


def _type_of(field: Schema) -> Schema:
    """What a field is if it is not null."""
    return field["anyOf"][0] if "anyOf" in field else field


def _add_examples(fields: dict[str, Schema], examples: Mapping[str, object]) -> None:
    for name, field in fields.items():
        field["examples"] = [examples[name]]


def _describe(summary: str, body: Schema, example: object, answer_key: str) -> dict[str, Any]:
    content = {CONTENT_TYPE: {"schema": body, "example": example}}
    answer = {"type": "object", "properties": {answer_key: {"type": "array", "items": _refer(Answer)}}}
    pictures = {
        "description": "One picture per row, in order.",
        "content": {CONTENT_TYPE: {"schema": answer}},
    }
    return {
        "summary": summary,
        "response_class": Response,
        "responses": {200: pictures, **_refuse(REFUSALS)},
        "openapi_extra": {"requestBody": {"required": True, "content": content}},
    }


def _answer_schema() -> Schema:
    schema = TypeAdapter(Answer).json_schema(mode="serialization")
    schema["properties"]["image"] = {
        "type": "string",
        "contentEncoding": "base64",
        "description": "The file; empty if the picture was flagged.",
    }
    return schema
