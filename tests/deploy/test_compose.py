"""The trial of `deploy/compose.yaml`: its services, started by its own words, draw a night together.

There is no container engine among the tests' parts: in its place stand namespaces of Linux.
`python -m pytest -m slow tests/deploy` runs the whole of it, minutes.
"""

import json
import subprocess

import pytest
import yaml

from tests.cluster.servers import why_no_object_store, why_no_postgres
from tests.deploy.compose_trial import COMPOSE, PROJECT
from tests.deploy.machines_of_linux import in_a_world_of_its_own, why_no_machines

SERVICES = yaml.safe_load(COMPOSE.read_text())["services"]


def test_who_is_waited_for_says_when_it_is_ready():
    for name, stated in SERVICES.items():
        depends = stated.get("depends_on", {})
        conditions = depends.items() if isinstance(depends, dict) else ()
        for other, how in conditions:
            ready = "healthcheck" if how["condition"] == "service_healthy" else "restart"
            assert ready in SERVICES[other], f"{name} waits for {other}"


def test_nothing_listens_beyond_this_machine():
    published = [port for stated in SERVICES.values() for port in stated.get("ports", ())]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_strangers_read_the_gallery_and_its_pictures_and_nothing_else():
    identities = json.loads((COMPOSE.parent / "s3.json").read_text())["identities"]
    (anonymous,) = (one["actions"] for one in identities if one["name"] == "anonymous")
    assert anonymous == ["Read:fan/trial/gallery/*", "Read:fan/trial/images/*"]


@pytest.mark.slow
@pytest.mark.skipif(bool(why_no_machines()), reason=str(why_no_machines()))
@pytest.mark.skipif(bool(why_no_postgres()), reason=str(why_no_postgres()))
@pytest.mark.skipif(bool(why_no_object_store()), reason=str(why_no_object_store()))
def test_the_services_of_the_compose_file_draw_a_night_together(tmp_path):
    for name in ("machines", "logs"):
        (tmp_path / name).mkdir()
    # PostgreSQL's user, who is not root, must reach its volume.
    for folder in (tmp_path, *tmp_path.parents[:3]):
        folder.chmod(folder.stat().st_mode | 0o055)
    command = in_a_world_of_its_own(
        "tests.deploy.compose_trial", str(tmp_path / "machines"), str(tmp_path / "logs"), "FAN_MAX_USERS=20"
    )
    subprocess.run(command, cwd=PROJECT, check=True, timeout=3000)
    seen = json.loads((tmp_path / "logs" / "seen.json").read_text())
    assert seen["status"] == 0, seen["errors"]
    assert "does not answer" not in seen["errors"]
    assert "gallery   http://s3:8333/fan/trial/gallery/index.html" in seen["said"]
    assert "MLflow    http://mlflow:5000" in seen["said"]
    assert "Prefect   http://prefect:4200" in seen["said"]
    assert (seen["gallery"], seen["pictures"], seen["tables"]) == (200, [200, 200, 200], 403)
    assert seen["mlflow"] == [200, "OK"]
    assert seen["prefect"] == [200, "true"]
    assert seen["asked"].splitlines() == ["drawn,users", "40,20"]
    assert seen["workers"] == [True, True]
