"""A describer is known by its files and by what it is asked."""

import shutil

import pytest

from fan_model.describing.description_options import DescriptionOptions
from fan_model.describing.model_folder import DescriberError, describer_digest, find_model

OPTIONS = DescriptionOptions()


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    for name in ("config.json", "model.safetensors", "chat_template.jinja", "README.md"):
        (folder / name).write_text(name)
    return folder


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "chat_template.jinja"])
def test_another_file_is_another_describer(folder, name):
    before = describer_digest(folder, OPTIONS)
    (folder / name).write_text("other")
    assert describer_digest(folder, OPTIONS) != before


def test_a_copy_elsewhere_and_what_is_not_read_change_nothing(folder, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "copy")
    (copy / "README.md").write_text("other")
    assert describer_digest(copy, OPTIONS) == describer_digest(folder, OPTIONS)


@pytest.mark.parametrize(
    ("option", "changes"),
    [
        ({"prompt": "What colours?"}, True),
        ({"max_characters": 80}, True),
        ({"max_phrases": 2}, True),
        ({"max_new_tokens": 9}, True),
        ({"longest_side": 100}, True),
        ({"dtype": "bfloat16"}, True),
        ({"batch_size": 1}, False),
        ({"device": "cuda"}, False),
    ],
)
def test_what_changes_answers_is_in_the_digest_and_nothing_else(folder, option, changes):
    changed = describer_digest(folder, OPTIONS.model_copy(update=option)) != describer_digest(folder, OPTIONS)
    assert changed == changes


def test_a_folder_is_found_and_one_without_a_model_is_refused(folder, tmp_path):
    assert find_model(str(folder)) == folder
    with pytest.raises(DescriberError, match=r"has no config\.json"):
        find_model(str(tmp_path))


@pytest.mark.parametrize("name", ["someone/no-such-model", "/no/such/folder"])
def test_what_is_neither_here_nor_on_the_hub_is_named(name):
    with pytest.raises(DescriberError, match=rf"{name} is no folder, and cannot be had .* describe\.model"):
        find_model(name)
