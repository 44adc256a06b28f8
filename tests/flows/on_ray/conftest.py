"""A cluster of three machines that share no folder, and settings of nights on it."""

import pytest

from tests.cluster.machines import run_machines
from tests.flows.on_ray.place import ROOT, place


@pytest.fixture
def settings_file(tmp_path, catalog, storage, monkeypatch):
    monkeypatch.setenv("FAN_MODEL__TRACKING_URI", "")
    lines = f'catalog = "{catalog}"\nstorage = "{storage}"\nray_address = "auto"\n'
    return place(tmp_path / "night", lines)


@pytest.fixture
def machines(tmp_path, object_store):
    import ray

    variables = object_store.variables | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    with run_machines(tmp_path / "machines", variables) as machines:
        address = machines.start()
        ray.init(address=address, _node_ip_address="127.0.0.2", log_to_driver=False, logging_level="ERROR")
        for _ in range(2):
            machines.add()
        yield machines
