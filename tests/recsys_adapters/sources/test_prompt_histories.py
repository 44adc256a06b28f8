import json
from datetime import UTC, datetime

import pytest

from recsys_adapters.errors import SourceFileError
from recsys_adapters.sources.prompt_histories import PromptHistories
from recsys_adapters.testing.line_contract import Utf8Contract

FLAGGED = "flagged as not safe for work"


def prompt_line(number, **changes) -> bytes:
    record = {"prompt": f"a castle, {number}", "user_id": 7, "id": f"p{number}", "NSFW": False}
    return json.dumps(record | changes).encode()


class PromptContract(Utf8Contract):
    file_name = "user7.jsonl"
    broken = {
        b"": "line is empty",
        b'{"prompt": "a castle"': "line is not JSON",
        prompt_line(20, NSFW=True): FLAGGED,
        prompt_line(20, NSFW="True"): FLAGGED,
        prompt_line(20, NSFW=1): FLAGGED,
        prompt_line(20, NSFW="perhaps"): FLAGGED,
        prompt_line(20, prompt=" "): "prompt is missing",
        prompt_line(20, prompt=None): "prompt is missing",
        prompt_line(20, id=""): "item_id is missing",
    }

    def record(self, number):
        return prompt_line(number, NSFW=[False, "false", 0, None][number % 4])


class TestPromptItems(PromptContract):
    def source_file(self, folder):
        return PromptHistories(path=folder).files()[0]

    def test_a_prompt_is_an_item(self, clean):
        fields = {"title": "a castle, 2", "prompt": "a castle, 2"}
        item_id, title, staged_fields, _ = clean.rows[2]
        assert (item_id, title, json.loads(staged_fields)) == ("p2", "a castle, 2", fields)


class TestPromptInteractions(PromptContract):
    broken = PromptContract.broken | {prompt_line(20, user_id=None): "user_id is missing"}

    def source_file(self, folder):
        return PromptHistories(path=folder).files()[1]

    def test_a_prompt_is_an_interaction_at_the_time_of_its_line(self, clean):
        expected = ("7", "p2", datetime(2000, 1, 1, 0, 0, 3, tzinfo=UTC), "prompt", 1.0, "prompt_histories")
        assert clean.rows[2][1:] == expected


def test_every_user_s_file_gives_its_items_and_then_its_interactions(tmp_path):
    for user in "ba":
        (tmp_path / f"{user}.jsonl").write_bytes(prompt_line(1))
    files = PromptHistories(path=tmp_path).files()
    assert [(file.table, file.name) for file in files] == [
        ("items", "a.jsonl"),
        ("items", "b.jsonl"),
        ("interactions", "a.jsonl"),
        ("interactions", "b.jsonl"),
    ]


def test_a_folder_without_histories_is_an_error(tmp_path):
    with pytest.raises(SourceFileError, match="has no files"):
        PromptHistories(path=tmp_path).files()


def test_a_prompt_keeps_its_identity_when_a_line_before_it_goes(tmp_path, connection):
    def ids():
        records = PromptHistories(path=tmp_path).files()[1].examine().records(connection)
        return dict(connection.execute(f"SELECT item_id, interaction_id FROM ({records})").fetchall())

    (tmp_path / "user7.jsonl").write_bytes(b"\n".join([prompt_line(1), prompt_line(2)]))
    before = ids()
    (tmp_path / "user7.jsonl").write_bytes(prompt_line(2))
    assert ids() == {"p2": before["p2"]}
