"""Looking ahead before a night is spent: settings, sources, model and workspace, every problem at once."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Formatter

from fan_model.encoders.families import Family, UnsupportedPipelineError, accept_index, refuse_picture_needs
from fan_model.loading.adapters import check_adapters
from fan_model.loading.checkpoints import recognize
from fan_model.loading.devices import DeviceError, check_device
from fan_model.loading.execution import ExecutionError
from fan_model.loading.image_encoders import require_images
from fan_model.loading.pipeline_files import HUB_ID, PipelineError, lost_components, read_index
from feature_store.tables.descriptions import STYLE
from flows.failures import explain_unread
from flows.model.champion import pipeline_source
from flows.own_pictures.picture_embedding import NOT_BOTH
from flows.settings import BUNDLED_PIPELINE, DEFAULT_FILE, Settings
from flows.settings_lines import Key, find_line
from flows.source_settings import Source
from flows.workspace import WorkspaceError, check_writable, open_lake, open_workspace
from recsys_adapters.errors import NothingReadyError, SourceFileError
from recsys_adapters.records.preview import Preview, preview
from recsys_adapters.records.source_file import SourceFile
from recsys_adapters.remedies import remedy

RECORDS_LOOKED_AT = 1_000
"""Of each source, and of each kind of file in it: logs, catalogues, lists."""
FEW_REFUSED = 0.1
"""Of the records of a file: more of them refused are a problem of the settings, not of single records."""


@dataclass(frozen=True, kw_only=True)
class SettingProblem:
    """Something that would cost a night, or a part of it."""

    keys: tuple[Key, ...]
    """The setting to change."""
    message: str


@dataclass(frozen=True, kw_only=True)
class SourcePreview:
    """What the first records of a source say."""

    name: str
    told: tuple[str, ...]
    """A line for each file that was looked at, and for what was understood without being told."""
    problems: tuple[SettingProblem, ...]
    item_fields: frozenset[str]


def check(settings: Settings) -> tuple[list[str], list[SettingProblem]]:
    """Look at everything that a night needs, and keep nothing of it.

    Opening a lake of before adds the tables that it lacks, as a night would.

    Returns:
        Lines that say what was seen, and all problems.
    """
    previews = [preview_source(source, place, settings) for place, source in enumerate(settings.sources)]
    lines = [line for seen in previews for line in (seen.name, *(f"  {told}" for told in seen.told))]
    problems = [problem for seen in previews for problem in seen.problems]
    fields = frozenset(field for seen in previews for field in seen.item_fields)
    problems += [*check_templates(settings, fields), *check_model(settings), *check_describing(settings)]
    problems += [*check_pictures(settings), *check_images(settings), *check_workspace(settings)]
    return lines, problems


def preview_source(source: Source, place: int, settings: Settings) -> SourcePreview:
    """Read the first records of a source as a night would; what cannot be read is a problem."""
    where = ("sources", place)
    name = f"sources.{place} {source.adapter} {source.path}"
    try:
        files = list(source.files())
    except NothingReadyError as error:
        return SourcePreview(name=name, told=(str(error),), problems=(), item_fields=frozenset())
    except Exception as error:
        return _unreadable(name, where, error)
    told, problems, fields = [f"{len(files):,} files"], list[SettingProblem](), set[str]()
    left = dict.fromkeys((file.table for file in files), RECORDS_LOOKED_AT)
    for file in files:
        if left[file.table] <= 0:
            continue
        try:
            seen = preview(file, num_records=left[file.table])
        except Exception as error:
            problems.append(SettingProblem(keys=where, message=_say(file.name, error)))
            continue
        left[file.table] -= max(seen.num_records, 1)
        fields |= seen.item_fields
        told += [*file.notes, *file.left_aside, _count(file, seen)]
        problems += _refusals(file, seen, where)
    return SourcePreview(name=name, told=tuple(told), problems=tuple(problems), item_fields=frozenset(fields))


def check_templates(settings: Settings, fields: frozenset[str]) -> Iterator[SettingProblem]:
    """Look whether items have the fields that templates name; where no item was seen, nothing is said."""
    for key, template in settings.texts.model_dump().items():
        try:
            named = {field for _, field, _, _ in Formatter().parse(template) if field is not None}
        except ValueError as error:
            message = f"malformed ({error}): write fields in braces, like {{title}}"
            yield SettingProblem(keys=("texts", key), message=message)
            continue
        described = {STYLE} if settings.describe.model else set()
        if fields and (unknown := sorted(named - fields - described)):
            known = ", ".join(sorted(fields))
            message = f"no item has a field {', '.join(unknown)}; the fields are {known}"
            if STYLE in unknown:
                message += f", and {STYLE} where describe.model names a model"
            yield SettingProblem(keys=("texts", key), message=message)


def check_model(settings: Settings) -> Iterator[SettingProblem]:
    """Look whether the pipeline is there, whole, and the device with it; nothing is loaded."""
    yield from _check_pipeline(pipeline_source(settings), gives_pictures=settings.images.takes_images)
    key = "devices" if settings.model.devices else "device"
    for device in settings.model.all_devices:
        try:
            check_device(device)
        except DeviceError as error:
            yield SettingProblem(keys=("model", key), message=str(error))
    try:
        check_adapters(settings.model.adapters)
    except ExecutionError as error:
        yield SettingProblem(keys=("model", "adapters"), message=str(error))
    yield from _check_folder(settings.evaluation.judge, ("evaluation", "judge"))
    yield from _check_folder(settings.search.clip, ("search", "clip"))


def check_describing(settings: Settings) -> Iterator[SettingProblem]:
    """Look whether pictures can be described, where the settings name a model for it; nothing is loaded."""
    if settings.describe.model is None:
        return
    keys = ("describe", "model")
    yield from _check_folder(settings.describe.model, keys, "a model from images and text to text")
    try:
        check_device(settings.describe.device)
    except DeviceError as error:
        yield SettingProblem(keys=("describe", "device"), message=str(error))


def check_pictures(settings: Settings) -> Iterator[SettingProblem]:
    """Look whether items' own pictures may be read, where they are described, begun with, or act."""
    begins = settings.start.strength is not None
    is_read = settings.describe.model is not None or begins or settings.images.takes_images
    if is_read and not settings.pictures.allowed:
        message = "no picture may be read: name folders or addresses of items' pictures"
        yield SettingProblem(keys=("pictures", "allowed"), message=message)


def check_images(settings: Settings) -> Iterator[SettingProblem]:
    """Look whether the pipeline takes pictures, where they act; what is on the hub is not looked at."""
    keys = ("images", "references")
    if not settings.images.takes_images:
        return
    if settings.start.strength is not None:
        yield SettingProblem(keys=keys, message=NOT_BOTH)
    family, images = _family_of(pipeline_source(settings)), settings.images.input
    is_here = images is None or Path(images.path).exists() or Path(images.path).is_absolute()
    try:
        if family is not None and is_here:
            require_images(images, family, settings.images)
    except (ExecutionError, UnsupportedPipelineError) as error:
        yield SettingProblem(keys=keys, message=str(error))


def check_workspace(settings: Settings) -> Iterator[SettingProblem]:
    """Look whether the workspace can be written, and whether this version can read the lake in it."""
    try:
        check_writable(settings)
        if (open_workspace(settings).lake / "catalog.sqlite").exists():
            open_lake(settings).close()
    except (WorkspaceError, OSError, RuntimeError) as error:
        yield SettingProblem(keys=("workspace",), message=str(error))


def describe_problems(problems: Sequence[SettingProblem], settings_file: Path | None) -> list[str]:
    """Say each problem in a line, with the line of the settings file to change."""
    file = settings_file or DEFAULT_FILE
    text = file.read_text(encoding="utf-8") if file.exists() else ""
    return [
        f"{file}:{find_line(text, problem.keys) or 1}: {'.'.join(map(str, problem.keys))}: {problem.message}"
        for problem in problems
    ]


def _check_pipeline(source: str | Path, *, gives_pictures: bool) -> Iterator[SettingProblem]:
    """Look at the folder of a pipeline; of a hub id, which the night fetches, only at its spelling."""
    keys = ("model", "pipeline")
    is_folder, is_file = Path(source).is_dir(), Path(source).is_file()
    try:
        lost = lost_components(Path(source)) if is_folder else []
        if is_folder:
            family = accept_index(read_index(Path(source)))
            if not gives_pictures:
                refuse_picture_needs(family)
        if is_file:
            recognize(Path(source))
    except (PipelineError, UnsupportedPipelineError) as error:
        yield SettingProblem(keys=keys, message=str(error))
        return
    if lost:
        yield SettingProblem(keys=keys, message=f"{source} lacks {', '.join(lost)}: save the whole pipeline")
    if not is_folder and not is_file and not HUB_ID.fullmatch(str(source)):
        yield SettingProblem(keys=keys, message=f"{source} is no folder, and no hub id either")


def _family_of(source: str | Path) -> Family | None:
    """The family of a pipeline that is here; None of others, and of what is no pipeline."""
    try:
        if Path(source).is_dir():
            return accept_index(read_index(Path(source)))
        return recognize(Path(source)).family if Path(source).is_file() else None
    except (PipelineError, UnsupportedPipelineError):
        return None


def _unreadable(name: str, where: tuple[Key, ...], error: Exception) -> SourcePreview:
    problem = SettingProblem(keys=(*where, "path"), message=_say(name, error))
    return SourcePreview(name=name, told=(), problems=(problem,), item_fields=frozenset())


def _say(name: str, error: Exception) -> str:
    """What is wrong with a source or file: an error that nobody foresaw may repeat what is in a file."""
    if isinstance(error, SourceFileError | OSError):
        return str(error)
    return explain_unread(name, error)


def _count(file: SourceFile, seen: Preview) -> str:
    refused = seen.num_records - seen.num_accepted
    return f"{file.name}: of its first {seen.num_records:,} records {refused:,} would be refused"


def _refusals(file: SourceFile, seen: Preview, where: tuple[Key, ...]) -> Iterator[SettingProblem]:
    """Yield the reasons that refuse more than single records."""
    if not seen.num_records:
        yield SettingProblem(keys=where, message=f"{file.name} has no records")
    for reason, times in seen.refused.items():
        if times > FEW_REFUSED * seen.num_records:
            message = f"{file.name}: {times:,} of {seen.num_records:,} records: {reason}. {remedy(reason)}"
            yield SettingProblem(keys=where, message=message.strip())


def _check_folder(
    folder: str, keys: tuple[Key, ...], kind: str = "a CLIP or SigLIP"
) -> Iterator[SettingProblem]:
    """Look whether a model that is a folder is one; a hub id is looked for only when it is used."""
    if folder == BUNDLED_PIPELINE or not Path(folder).is_absolute():
        return
    if not (Path(folder) / "config.json").exists():
        yield SettingProblem(keys=keys, message=f"{folder} has no config.json: name the folder of {kind}")
