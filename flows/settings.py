"""Settings: one TOML file, then the environment on top of it. Only this module reads either.

`FAN_` variables override the file, with two underscores between the levels: `FAN_MAX_USERS=all`,
`FAN_DRAWING__ALPHA=0.4`. Unknown keys are refused in both.
"""

import os
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, PositiveInt, ValidationError, field_validator
from pydantic.dataclasses import dataclass
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from pydantic_settings import SettingsError as UnreadableVariableError

from fan_model.drawing.limits import RequestLimits
from fan_model.drawing.requests import PictureOptions
from fan_model.drawing.text_filter import DEFAULT_TEXT_FILTER
from fan_model.loading.execution import Execution
from fan_model.method.crowd_contrast import CrowdPolicy
from fan_model.method.selection_policy import SelectionPolicy
from feature_store.schemas.addresses import SHORTEST_SECRET, check_catalog, mask, secrets_in
from flows.concealment import conceal
from flows.describe_settings import Describe
from flows.evaluation_settings import BUNDLED_PIPELINE, Evaluation
from flows.image_settings import Images
from flows.settings_paths import resolve_paths
from flows.settings_problems import describe_problems, find_mistaken, list_problems
from flows.settings_section import Section, SettingsError, Texts, refuse_blank
from flows.source_settings import Source
from recsys_adapters.pictures.picture_rules import PictureRules

DEFAULT_FILE = Path("fan.toml")
FILE_VARIABLE = "FAN_SETTINGS"
PREFIX = "FAN_"
NOT_SETTINGS = {FILE_VARIABLE, "FAN_PARITY_DIR"}
"""Variables with the prefix that are read elsewhere: the settings file itself, and the tests' fixtures."""

SECRET_VARIABLE = re.compile(r"(PASSWORD|PASSWD|SECRET|TOKEN|_KEY|CONNECTION_STRING|CREDENTIAL)$")
"""What a variable of the environment is called whose value is a secret: of this project or of a library."""

BUCKET = re.compile(r"s3://[^/]+(/[^/]+)*")
"""The address of an object store."""
ONE_BRACKET = re.compile(r"^\s*\[\s*sources\s*\]", re.MULTILINE)
"""How a source begins that was to be one of several."""


class Targets(Section):
    """Which items each user gets pictures of."""

    method: Literal["recommender", "latest", "given"] = "recommender"
    """`recommender` fits one on the log; `latest` takes the most recent items with the history before them,
    as the paper evaluates; `given` takes only the recommendation lists among the sources."""
    per_user: PositiveInt = 2
    """Pictures per user; of a longer recommendation list the first ones count."""
    model: Literal["bm25", "als"] = "bm25"
    """The recommender: neighbours of items (bm25), or matrix factors (als)."""


class Model(Execution):
    """The image model, a diffusers pipeline: how it is run, and where it is registered.

    What is said here of running it holds for nights and services, whatever was registered with the model.
    """

    _filled = field_validator("*", mode="before")(refuse_blank)

    pipeline: str = BUNDLED_PIPELINE
    """`bundled`, the folder of a saved pipeline, a single `.safetensors` file, or a hub id. `fan register`
    registers it."""
    revision: str | None = None
    """Revision of a hub id."""
    name: str = "fan-artwork"
    """Name of the registered model."""
    alias: str = "champion"
    """The alias that the nightly draws with."""
    tracking_uri: str | None = None
    """MLflow's registry and runs: none for a SQLite file in the workspace, or a server's address."""

    @property
    def execution(self) -> Execution:
        """How the pipeline is run."""
        return Execution(**{name: getattr(self, name) for name in Execution.model_fields})


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid", allow_inf_nan=False))
class Drawing(PictureOptions):
    """How a picture is drawn. Changing any of these redraws every picture.

    Keys, ranges, defaults and meanings are the model's own; only here numbers may come as text, for that is
    what the environment has.
    """


class Start(Section):
    """Whether a night's pictures begin as their items' own, so that a real poster takes on a user's taste."""

    strength: float | None = Field(None, gt=0, le=1)
    """How much of an item's own picture (`stock_image_uri`) is drawn over: a little at 0.2; at 1 next to
    nothing of it is left. None: pictures begin with noise alone. An item whose picture cannot be read is
    drawn from texts alone, and counted in a note. Stable Diffusion 1, 2 and XL, and FLUX, without
    `model.offload`; of the denoising steps only this share is taken, which makes nights faster. The service
    hands out what nights drew so, and draws by itself from texts alone."""


class Safety(Section):
    """What is never drawn."""

    blocklist: Path | None = None
    """UTF-8 file of phrases, one per line, that block a prompt or a reference; none: the package's own short
    list. A picture whose text is blocked is flagged, and the item's stock image stands in."""
    text_filter: str = DEFAULT_TEXT_FILTER
    """Your own filter as `package.module:factory`: called with `file` (the blocklist, if there is one), it
    returns a callable that says whether a text is blocked. Where it, or the blocklist, is another than
    before, all pictures are looked at again; what a filter does is known by its name alone."""


class Serving(Section):
    """What the registered model allows when it is served. `fan register` hands changes on to it."""

    limits: RequestLimits = RequestLimits()
    """Longest texts, most references, steps, sizes and rows; they hold for the nightly's pictures as well.
    They may only narrow what the fields of requests and options allow."""
    max_queued_pictures: PositiveInt = 64
    """Pictures that the service may owe at a time; beyond it, requests are refused with 429."""
    max_wait_seconds: float = Field(50.0, gt=0)
    """Keep a caller waiting for so long, then refuse with 503; below the server's own `--timeout` (60)."""
    tokens_file: Path | None = None
    """TOML file of bearer tokens: a `[[tokens]]` table for each, with `name`, `sha256` (of the token) and, as
    wanted, `users` (ids that may be asked for) and `max_queued_pictures`; none: nobody needs a token."""
    caller_header: str | None = None
    """Header in which your gateway says who asks; callers take turns by it. None: by their addresses."""
    cache_bytes: PositiveInt = 128 * 2**20
    """Memory of the service for recorded references."""


class Search(Section):
    """Personalized retrieval."""

    clip: str = BUNDLED_PIPELINE
    """`bundled`, or the folder of a saved CLIP, SigLIP or SigLIP 2, whose space queries and items share."""
    tokenizer: str | None = None
    """Folder of its tokenizer; none: the model's own folder."""
    method: Literal["mean", "attention", "contrast"] = "mean"
    """How a query takes on a taste: mixed with the mean of what the user likes (mean), by personalized
    attention in the encoder (attention), or by what of it sets the user apart from the nights' crowd
    (contrast; of texts only). Held-out likes rank higher by the mean, which keeps the query."""
    alpha: float = Field(0.4, ge=0, le=1)
    """Degree of personalization: 0 is the plain query; 1 the user's taste only, or the whole contrast."""


class Gallery(Section):
    """The gallery's pages: the pictures of each user, and the pictures of one item for many users."""

    max_users: PositiveInt = 500
    """Show the pictures of this many users; all pictures are in `artworks`."""
    users_per_page: PositiveInt = 25
    """Users on one page."""
    max_items: PositiveInt = 40
    """Items on the page of items, those of most users and most visibly different pictures first."""
    users_per_item: PositiveInt = 12
    """Users whose pictures of one item stand side by side, the most visibly different ones first."""
    signed_hours: Annotated[int, Field(gt=0, le=168)] | None = None
    """In an object store, let whoever has a page see its pictures for so long, without keys of the store;
    none: links are relative, for a server that asks who it is."""
    words: tuple[str, ...] = ()
    """Fields of items whose parts say what a user likes more, and less, than others: genres, year, brand;
    none: all but the title."""


class Settings(BaseSettings):
    """Everything that the nightly needs to know."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        env_ignore_empty=True,
        use_attribute_docstrings=True,
    )

    workspace: Path = Path("workspace")
    """Where everything that the system makes lies: lake, vectors, images, gallery, runs."""
    shared: bool = False
    """Let the group of the workspace's files read and write them; by default only their owner may."""
    catalog: str | None = None
    """The lake's catalogue, as DuckLake writes it: none for a SQLite file in the workspace, or
    `postgres:dbname=... host=...` where several machines write."""
    storage: str | None = None
    """Object store of the lake's Parquet files, vectors, pictures, gallery and MLflow's artifacts, as
    `s3://bucket/prefix`; none for the workspace's folder. Its keys come from the environment only."""
    ray_address: str | None = None
    """Ray cluster whose machines work on buckets, as `ray.init` takes it (`auto`, `HOST:6379`, `ray://...`);
    none for this machine alone."""
    ray_cpus: PositiveInt = 1
    """CPUs that each task has on the cluster; a picture without a GPU uses all that it can."""
    ray_gpus: Annotated[float, Field(ge=0)] = 0
    """GPUs that each drawing task has on the cluster; a half lets two share one."""
    vector_precision: Literal["float32", "float16"] = "float32"
    """Of vectors that are added to the reference store: `float16` halves them, at 3e-5 of a cosine."""
    max_users: PositiveInt | Literal["all"] = 100
    """Draw for this many users, or for `all`."""
    seed: int = Field(0, ge=0, lt=2**31)
    """Seed of everything random. Another seed redraws every picture."""
    bucket_users: PositiveInt = 256
    """Users whose profiles are computed and stored together."""
    accept_clock: bool = False
    """Take the machine's clock for right although by it the last night is yet to come, or was a year ago."""
    sources: tuple[Source, ...] = Field(min_length=1)
    """Where logs, catalogues and recommendation lists come from, in `[[sources]]` tables."""
    on_bad_file: Literal["quarantine", "stop"] = "quarantine"
    """What a file that cannot be read costs: itself alone, and the night ends as published with faults; or
    the night."""
    pictures: PictureRules = PictureRules()
    describe: Describe = Describe()
    texts: Texts = Texts()
    targets: Targets = Targets()
    profile: SelectionPolicy = SelectionPolicy()
    crowd: CrowdPolicy = CrowdPolicy()
    model: Model = Model()
    drawing: Drawing = Drawing()
    start: Start = Start()
    images: Images = Images()
    search: Search = Search()
    gallery: Gallery = Gallery()
    evaluation: Evaluation = Evaluation()
    safety: Safety = Safety()
    serving: Serving = Serving()

    _filled = field_validator("*", mode="before")(refuse_blank)

    @field_validator("workspace")
    @classmethod
    def _absolute(cls, workspace: Path) -> Path:
        return workspace.expanduser().resolve()

    @field_validator("catalog")
    @classmethod
    def _readable(cls, catalog: str | None) -> str | None:
        """Refuse what keeps no two writers apart, and what libpq would refuse later, with its password."""
        if catalog:
            check_catalog(catalog)
        return catalog

    @field_validator("storage")
    @classmethod
    def _in_a_bucket(cls, storage: str | None) -> str | None:
        if storage and not BUCKET.fullmatch(storage):
            raise ValueError("must be an object store and a place in it, as s3://bucket/prefix")
        return storage

    @property
    def users_limit(self) -> int | None:
        """The limit of users, None for all."""
        return None if self.max_users == "all" else self.max_users

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Let the environment win over the file, whose content arrives as keyword arguments."""
        return env_settings, init_settings


def read_settings(file: Path | None = None) -> Settings:
    """Read the settings; their secrets, and the environment's, are concealed from now on.

    Args:
        file: the TOML file; by default what `FAN_SETTINGS` names, or `fan.toml` here.

    Raises:
        SettingsError: if the file is missing or no TOML, or any key is unknown or out of its range.
    """
    path = file or Path(os.environ.get(FILE_VARIABLE, DEFAULT_FILE))
    content = _read_toml(path)
    secrets = {secret for text in _texts(content) for secret in secrets_in(text)} | _secret_variables()
    conceal(secrets)
    _refuse_unknown_variables()
    try:
        settings = Settings(**resolve_paths(content, path.resolve().parent))
    except ValidationError as error:
        raise SettingsError(mask(describe_problems(path, error, Settings), secrets)) from None
    except UnreadableVariableError:
        raise SettingsError(
            f"a {PREFIX}* variable of a list or a table is not JSON: write it as JSON, or in {path}"
        ) from None
    if mistaken := find_mistaken(content, settings):
        raise SettingsError(list_problems(path, mistaken))
    return settings


def on_this_machine(settings: Settings) -> Settings:
    """Let a machine that works on a bucket have a workspace of its own, where its environment names one."""
    return settings.model_copy(update={"workspace": workspace_here(settings.workspace)})


def workspace_here(workspace: Path) -> Path:
    """The workspace of this machine: what its environment names, or else the night's."""
    return Path(os.environ.get(f"{PREFIX}WORKSPACE") or workspace)


def rewriter_key() -> str | None:
    """The key of the language model behind an address, which no file of settings may hold."""
    return os.environ.get("OPENAI_API_KEY")


def _texts(content: object) -> Iterator[str]:
    """All texts of the settings file, however deep."""
    if isinstance(content, dict | list):
        for inner in content.values() if isinstance(content, dict) else content:
            yield from _texts(inner)
    elif isinstance(content, str):
        yield content


def _secret_variables() -> set[str]:
    """What is secret in the environment: values by their variables' names, and parts of addresses."""
    named = {value for name, value in os.environ.items() if SECRET_VARIABLE.search(name)}
    parts = {secret for value in os.environ.values() for secret in secrets_in(value)}
    return {secret for secret in named if len(secret) >= SHORTEST_SECRET} | parts


def _read_toml(path: Path) -> dict[str, Any]:
    text = ""
    try:
        text = path.read_text(encoding="utf-8")
        return tomllib.loads(text)
    except FileNotFoundError as error:
        raise SettingsError(
            f"no settings in {path}: run where fan.toml is, or name it with --settings or {FILE_VARIABLE}"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        hint = (
            ". Write [[sources]], with two brackets, before each source" if ONE_BRACKET.search(text) else ""
        )
        raise SettingsError(f"{path} is not TOML: {error}{hint}") from error


def _refuse_unknown_variables() -> None:
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    for variable in sorted(set(os.environ) - NOT_SETTINGS):
        if variable.startswith(PREFIX) and variable.split("__")[0] not in known:
            raise SettingsError(
                f"the variable {variable} names no setting: use one of {', '.join(sorted(known))}"
            )
