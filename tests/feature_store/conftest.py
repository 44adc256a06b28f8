import shutil

import pytest

from feature_store.lake.lake import Lake


@pytest.fixture
def lake(empty_lake, tmp_path):
    lake = Lake(shutil.copytree(empty_lake, tmp_path / "lake"))
    yield lake
    lake.close()
