"""Who may ask: everybody where there are no tokens, else who has one, for whom it speaks."""

import hashlib

import pytest

from fan_model.service.callers.bearer_tokens import (
    BearerTokens,
    ForbiddenUserError,
    TokensFileError,
    UnknownCallerError,
)

TOKEN = "t0ken"
DIGEST = hashlib.sha256(TOKEN.encode()).hexdigest()
FILE = f"""
[[tokens]]
name = "web"
sha256 = "{DIGEST}"
users = ["1", "2"]
max_queued_pictures = 4
"""


def tokens(tmp_path, text=FILE):
    file = tmp_path / "tokens.toml"
    file.write_text(text)
    return BearerTokens(str(file))


def test_a_token_says_who_asks_and_for_whom(tmp_path):
    caller = tokens(tmp_path).identify({"authorization": f"Bearer {TOKEN}"}, "10.0.0.1")
    assert (caller.name, caller.max_queued_pictures) == ("web", 4)
    caller.check_users([{"user_id": "1"}, {"prompt": "x"}, {"user_id": None}])
    with pytest.raises(ForbiddenUserError, match="must be one that the token speaks for"):
        caller.check_users([{"user_id": "1"}, {"user_id": "3"}])


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Bearer other", f"Basic {TOKEN}", TOKEN, DIGEST])
def test_without_a_known_token_nobody_asks(header, tmp_path):
    with pytest.raises(UnknownCallerError, match="must be Bearer with a token that is known"):
        tokens(tmp_path).identify({"authorization": header}, "10.0.0.1")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no TOML",
        "[[tokens]]\nname = 'web'",
        FILE + "colour = 1",
        FILE.replace(DIGEST, TOKEN),
        "[[others]]",
    ],
)
def test_a_file_that_is_none_of_tokens_is_refused_without_what_is_in_it(text, tmp_path):
    with pytest.raises(TokensFileError, match="is no file of tokens") as refused:
        tokens(tmp_path, text)
    assert TOKEN not in str(refused.value).replace("tokens", "")
    with pytest.raises(TokensFileError, match="is no file of tokens"):
        BearerTokens(str(tmp_path / "missing.toml"))


def test_without_tokens_callers_are_told_apart_by_the_gateways_header_or_their_addresses():
    assert BearerTokens().identify({"x-caller": "ann"}, "10.0.0.1").name == "10.0.0.1"
    assert BearerTokens(header="x-caller").identify({"x-caller": "ann"}, "10.0.0.1").name == "ann"
    assert BearerTokens(header="x-caller").identify({}, "10.0.0.1").name == "10.0.0.1"
