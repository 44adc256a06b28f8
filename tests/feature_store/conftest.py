import shutil

import pytest

from feature_store.lake.lake import Lake


@pytest.fixture(scope="session")
def empty_lake(tmp_path_factory):
    """The folder of a lake with its tables and nothing in them: made once, since that takes seconds."""
    folder = tmp_path_factory.mktemp("template") / "lake"
    Lake(folder).close()
    return folder


@pytest.fixture
def lake(empty_lake, tmp_path):
    lake = Lake(shutil.copytree(empty_lake, tmp_path / "lake"))
    yield lake
    lake.close()
