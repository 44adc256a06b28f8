"""What a page shows to type in works when it is typed in: every shell and Python block, page by page."""

import random
import shutil
import socket
from datetime import UTC, datetime, timedelta

import pytest
from prefect.settings import PREFECT_API_URL

from tests.docs.page_runner import BLOCK, PageRunner
from tests.docs.test_pages import PAGES, ROOT, relative
from tests.fan_model import pipelines, vision_language_models
from tests.fan_model.image_pipelines import picture
from tests.flows.nights import ask, run

QUICK = {
    "FAN_MAX_USERS": "2",
    "FAN_DRAWING__NUM_INFERENCE_STEPS": "2",
    "FAN_EVALUATION__MAX_USERS": "3",
    "FAN_EVALUATION__TARGETS_PER_USER": "1",
}
"""Smaller nights and evaluations than readers have."""
ELSEWHERE = (
    "make ",  # continuous integration runs these
    "pip install ",  # of the package's own tests
    "docker compose ",  # needs an engine of containers
    ". .venv/bin/activate",  # the tests run in the environment
)
IMAGES = """
from fan_model import ImageParts, Personalizer
from tests.fan_model import image_pipelines, pipelines
flux, redux = pipelines.flux(), image_pipelines.redux()
kandinsky, prior = image_pipelines.kandinsky(), image_pipelines.kandinsky_prior()
"""


@pytest.fixture(scope="module")
def after_a_night(tmp_path_factory):
    """The repository's settings and sample, and a workspace that has a night for two users."""
    folder = tmp_path_factory.mktemp("pages") / "repository"
    folder.mkdir()
    for name in ("fan.toml", "prefect.yaml"):
        shutil.copy(ROOT / name, folder)
    (folder / "sample").symlink_to(ROOT / "sample")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in QUICK.items():
            patch.setenv(name, value)
        run(folder / "fan.toml")
    return folder


@pytest.fixture
def repository(after_a_night, tmp_path):
    """A copy of it, for a page to change."""
    return shutil.copytree(after_a_night, tmp_path / "repository", symlinks=True)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Folders of models, tiny and random, by their names on the pages."""
    folder = tmp_path_factory.mktemp("models")
    pipelines.stable_diffusion(num_tokens=48).save_pretrained(folder / "sd15")
    pipelines.stable_diffusion_xl().save_pretrained(folder / "sdxl")
    return folder


def write_shop(folder):
    """Write a shop's events and catalogue."""
    folder.mkdir()
    chance, start = random.Random(1), datetime(2024, 5, 1, tzinfo=UTC)
    items = [f'{{"sku": "a{i}", "name": "Lamp {i}", "category": "kind {i % 4}"}}' for i in range(30)]
    (folder / "items.jsonl").write_text("\n".join(items) + "\n")
    events = [
        f"{(start + timedelta(hours=chance.randrange(2000))).isoformat()};v{user};buy;a{item}"
        for user in range(12)
        for item in chance.sample(range(30), 8)
    ]
    (folder / "events.csv").write_text("\n".join(["ts;visitor;event;sku", *events]) + "\n")
    return folder


def night_of(folder):
    ((night,),) = ask(folder / "fan.toml", "SELECT max(run_id) FROM runs")
    return night


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@pytest.fixture
def runner(repository, models, tmp_path):
    """What a page takes for granted, made here."""
    port, shop = free_port(), write_shop(tmp_path / "shop")
    (tmp_path / "ml-1m").symlink_to(ROOT / "sample" / "ml-latest-small")
    captions = [f"a {genre} film poster of {year}" for genre in ("western", "horror") for year in range(60)]
    (repository / "captions.txt").write_text("\n".join(captions) + "\n")
    for number, name in enumerate(["target", "liked", "liked-too"]):
        picture(number).save(repository / f"{name}.jpg")
    return PageRunner(
        folder=repository,
        port=port,
        places={
            "/data/shop": str(shop),
            "/data/ml-1m": str(tmp_path / "ml-1m"),
            "/data/covers": str(repository),
            "/backups/artwork": str(tmp_path / "backup"),
            "/tmp/pictures": str(tmp_path / "pictures"),
            "/models/": f"{models}/",
            "models/ours": str(models / "sd15"),
            "FAN_EVALUATION__MAX_USERS=200": "FAN_EVALUATION__MAX_USERS=3",
            "FAN_EVALUATION__MAX_USERS=14": "FAN_EVALUATION__MAX_USERS=3",
            "20261125T030000-1f2e": night_of(repository),
            "5001": str(port),
        },
        elsewhere=ELSEWHERE,
        variables=QUICK | {"PREFECT_HOME": str(tmp_path / "prefect"), "PYTHONPATH": str(ROOT)},
    )


def has_blocks_to_run(page):
    texts = [text for _, text in BLOCK.findall(page.read_text(encoding="utf-8"))]
    return not all(text.startswith(ELSEWHERE) for text in texts)


SHOWING = [page for page in PAGES if has_blocks_to_run(page)]


@pytest.fixture(scope="module")
def prefect_address():
    """Where a Prefect server answers, whom the page about schedules takes for granted."""
    from prefect.testing.utilities import prefect_test_harness

    with prefect_test_harness(server_startup_timeout=300):
        yield str(PREFECT_API_URL.value())


@pytest.mark.whole
@pytest.mark.parametrize("page", SHOWING, ids=relative)
def test_what_a_page_shows_to_type_in_works(page, runner, request):
    if page.stem == "README":
        runner.aside = "fan init"
        runner.port = 5001  # where none is named
        del runner.places["5001"]
    elif page.stem == "own-data":
        runner.folder = runner.folder.parent / "empty"
        runner.folder.mkdir()
    elif page.stem == "images":
        runner.program_start = IMAGES
    elif page.stem == "schedule":
        runner.variables["PREFECT_API_URL"] = request.getfixturevalue("prefect_address")
    elif page.stem == "extend":
        runner.program = "python -m pytest --rootdir . -q page.py"
    elif page.stem == "style-phrases":
        folder = vision_language_models.save(runner.folder / "describer", vision_language_models.idefics())
        runner.variables["FAN_DESCRIBE__MODEL"] = str(folder)
    runner.run(page.read_text(encoding="utf-8"))
