"""What to evaluate: the settings, with the data set, the model and the variants that the caller chose."""

import hashlib
from collections.abc import Sequence

from evaluation.protocol.design import StudyDesign
from evaluation.protocol.variants import Variant
from evaluation.protocol.variants import make_variants as make
from flows.evaluation_settings import DataSet
from flows.model.peer_methods import peer_names
from flows.model.served_model import drawing_options
from flows.settings import Settings
from flows.source_settings import Source
from flows.workspace import Workspace

OWN_DATA = "workspace"


def choose(
    settings: Settings,
    *,
    data: str | None = None,
    alias: str | None = None,
    variants: Sequence[str] = (),
    peers: bool = False,
) -> Settings:
    """Let what the caller chose win over the settings.

    Args:
        settings: as they were read.
        data: `ADAPTER=FOLDER`, see `DataSet`.
        alias: of the registered model.
        variants: names.
        peers: compare with the other methods.

    Raises:
        SettingsError: if there is no such kind of data set.
    """
    chosen = {"data": data and DataSet.parse(data), "variants": tuple(variants), "peers": peers}
    evaluation = settings.evaluation.model_copy(
        update={name: value for name, value in chosen.items() if value}
    )
    model = settings.model.model_copy(update={"alias": alias or settings.model.alias})
    texts = evaluation.data.texts if evaluation.data else settings.texts
    return settings.model_copy(update={"evaluation": evaluation, "model": model, "texts": texts})


def make_variants(settings: Settings) -> list[Variant]:
    """Make the settings' variants.

    Raises:
        UnknownVariantError: if the settings name one that there is not.
    """
    evaluation, drawing = settings.evaluation, settings.drawing
    return make(
        alpha=drawing.alpha,
        skip_layers=drawing.skip_layers,
        contrast=drawing.contrast,
        keep_words=drawing.keep_words,
        policy=settings.profile,
        contrasts=evaluation.contrasts,
        alphas=evaluation.alphas,
        skips=evaluation.skips,
        peers=peer_names(settings),
        wanted=evaluation.variants,
    )


def make_design(settings: Settings) -> StudyDesign:
    """Write the settings in the evaluation's words."""
    evaluation = settings.evaluation
    return StudyDesign(
        options=drawing_options(settings, num_references=None),
        seed=settings.seed,
        sample=evaluation.sample,
        targets_per_user=evaluation.targets_per_user,
        min_history=evaluation.min_history,
        max_history=evaluation.max_history,
        held_out=evaluation.held_out,
        judge=evaluation.judge,
        confidence=evaluation.confidence,
        sheet_users=evaluation.sheet_users,
    )


def data_name(settings: Settings) -> str:
    """Name the data set in rows and reports."""
    return settings.evaluation.data.name if settings.evaluation.data else OWN_DATA


def data_settings(settings: Settings) -> Settings:
    """Settings of the lake that histories are read from: the workspace's own, or the data set's."""
    data = settings.evaluation.data
    if data is None:
        return settings
    place = hashlib.sha256(str(data.path).encode()).hexdigest()[:8]
    folder = Workspace(settings.workspace).data_sets / f"{data.adapter}-{place}"
    source = Source(adapter=data.adapter, path=data.path)
    return settings.model_copy(
        update={"workspace": folder, "catalog": None, "storage": None, "sources": (source,)}
    )
