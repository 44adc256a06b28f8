"""Lakes of a test's own, empty or filled; what takes seconds to make is made once and copied."""

import shutil

import pytest

from feature_store.lake.lake import Lake


@pytest.fixture
def lake(empty_lake, tmp_path):
    """A lake with its tables and nothing in them."""
    lake = Lake(shutil.copytree(empty_lake, tmp_path / "lake"))
    yield lake
    lake.close()


@pytest.fixture(scope="module")
def filled_folder(request, empty_lake, tmp_path_factory):
    """A folder whose lake the module's own `fill(lake, folder)` has filled, made once to be copied."""
    folder = tmp_path_factory.mktemp("filled")
    lake = Lake(shutil.copytree(empty_lake, folder / "lake"))
    request.module.fill(lake, folder)
    lake.close()
    return folder


@pytest.fixture
def filled(filled_folder, tmp_path):
    """The lake that the module fills; the rest of its folder is in `tmp_path`."""
    shutil.copytree(filled_folder, tmp_path, dirs_exist_ok=True)
    lake = Lake(tmp_path / "lake")
    yield lake
    lake.close()


@pytest.fixture
def published(filled):
    """The same, where what the module fills it with is a published night."""
    return filled
