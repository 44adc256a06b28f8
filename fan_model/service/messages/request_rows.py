"""From one row of a request to what is drawn: its own references, or those stored for a user."""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import AfterValidator, Field, TypeAdapter, ValidationError

from fan_model.drawing.limits import RequestLimits, refuse_unknown
from fan_model.drawing.requests import ArtworkRequest
from fan_model.drawing.texts import check_unicode
from fan_model.request_errors import RequestError
from fan_model.service.request_log import tell_failure

MAX_ID_CHARACTERS = 256
ROW_FIELDS = (*ArtworkRequest.__dataclass_fields__, "user_id")

TasteUsed = Literal["given", "stored", "none: not asked for", "none: nothing is stored for this user"]
"""Whose references a picture is drawn with, or why it is drawn with none."""


class ReadRow(NamedTuple):
    """What one row asks for."""

    request: ArtworkRequest
    taste: TasteUsed


StoredProfiles = Callable[[str, str], tuple[Sequence[str], Sequence[float]]]
"""References and weights stored for a user (id) and a prompt; both empty where there are none."""

logger = logging.getLogger(__name__)


def check_no_nul(text: str) -> str:
    """Return a text without the character NUL, at which databases cut texts off.

    Raises:
        ValueError: It holds one.
    """
    if "\0" in text:
        raise ValueError("there is a NUL in it")
    return text


Characters = Annotated[str, Field(strict=True, min_length=1, max_length=MAX_ID_CHARACTERS)]
ID = TypeAdapter(Annotated[Characters, AfterValidator(check_unicode), AfterValidator(check_no_nul)])


class NoStoredProfilesError(RequestError):
    """Stored profiles are configured, but cannot be read."""

    http_status = 503


def read_request(
    row: Mapping[str, Any], limits: RequestLimits, stored_profiles: StoredProfiles | None
) -> ReadRow:
    """What one row asks for; a user without references is given those of the stored profile.

    Fields that are null count as not given.

    Raises:
        RequestError: A field is unknown, missing, of the wrong type or out of its range.
        NoStoredProfilesError: The stored profiles cannot be read.
    """
    refuse_unknown("a row", row, ROW_FIELDS)
    asked = {name: value for name, value in row.items() if value is not None}
    user_id = read_id("user_id", asked.pop("user_id")) if "user_id" in asked else None
    request = limits.parse_request(asked)
    if user_id is None or "references" in asked:
        return ReadRow(request, "given" if request.references else "none: not asked for")
    references, weights = look_up(stored_profiles, user_id, request.prompt) if stored_profiles else ((), ())
    if not references:
        return ReadRow(request, "none: nothing is stored for this user")
    request = limits.parse_request({**asked, "references": list(references), "weights": list(weights)})
    return ReadRow(request, "stored")


def look_up(
    stored_profiles: StoredProfiles, user_id: str, prompt: str
) -> tuple[Sequence[str], Sequence[float]]:
    """References and weights of a user, both empty where none are stored.

    Raises:
        NoStoredProfilesError: They cannot be read; the log says where it failed, but not for whom.
    """
    try:
        return stored_profiles(user_id, prompt)
    except Exception as error:
        logger.error("the stored profiles cannot be read: %s", tell_failure(error))
        raise NoStoredProfilesError(
            "user_id cannot be looked up now: give references, or try again later"
        ) from None


def read_id(name: str, value: object) -> str:
    """Return the id of a user or an item.

    Raises:
        RequestError: It is none that a database would find.
    """
    try:
        return ID.validate_python(value)
    except ValidationError:
        raise RequestError(
            f"{name} must be a text of 1 to {MAX_ID_CHARACTERS} characters, none of them NUL"
        ) from None
