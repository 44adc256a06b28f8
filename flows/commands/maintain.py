"""Upkeep of the workspace: `fan maintain`."""

from datetime import timedelta

from feature_store.lake.durable_files import delete_unfinished
from feature_store.upkeep.erasure import is_forgetting_unfinished
from feature_store.upkeep.maintenance import (
    delete_unreferenced_images,
    delete_unreferenced_vectors,
    drop_lost_pictures,
    drop_unused_pictures,
    maintain_lake,
)
from feature_store.vectors.reference_store import drop_unnamed_segments, open_as_it_is
from flows.commands.forget import finish_forgetting
from flows.keeping.healing import delete_damaged
from flows.keeping.sealing import rewriting
from flows.night_lock import hold_night
from flows.settings import Settings
from flows.stages.bucket_files import delete_work
from flows.workspace import open_kept_pictures, open_lake, open_workspace


def maintain(settings: Settings, *, keep: timedelta) -> dict[str, int]:
    """Compact the lake, expire snapshots older than `keep`, delete what is left over; return counts.

    If `fan forget` was stopped half-way, that is finished first, and no old snapshot is kept.

    Raises:
        NightInProgressError: if a night is running on the workspace.
        DamagedLakeError: if a file of the lake is damaged.
    """
    with hold_night(settings), rewriting(settings):
        damaged = delete_damaged(settings)
        workspace, lake = open_workspace(settings), open_lake(settings)
        if is_forgetting_unfinished(lake):
            finish_forgetting(settings, workspace, lake)
        delete_work(workspace.files)
        lost = drop_lost_pictures(lake, workspace.files)
        upkeep = maintain_lake(lake, keep=keep)
        store = open_as_it_is(workspace.references, workspace.reference_copies)
        return {
            "damaged_files_deleted": damaged,
            "snapshots_expired": upkeep.snapshots_expired,
            "lake_files_deleted": upkeep.files_deleted,
            "vectors_deleted": delete_unreferenced_vectors(lake, store) if store else 0,
            "vector_files_deleted": drop_unnamed_segments(workspace.references),
            "unfinished_files_deleted": delete_unfinished(workspace.root),
            "picture_embeddings_deleted": drop_unused_pictures(lake, open_kept_pictures(workspace)),
            "pictures_deleted": delete_unreferenced_images(lake, workspace.files),
            "pictures_to_draw_again": lost,
        }
