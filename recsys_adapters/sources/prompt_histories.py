"""Prompt histories: a folder of JSON lines, one file per user, as the PIP data set has them."""

from dataclasses import dataclass, replace
from pathlib import Path

from feature_store.schemas import Rule
from recsys_adapters.formats.json_lines import JsonLines
from recsys_adapters.formats.record_format import FileColumn
from recsys_adapters.records.source_file import SourceFile
from recsys_adapters.sources.file_search import FoundFile, search_files
from recsys_adapters.sources.remote_files import place_of

_COLUMNS = (
    FileColumn("prompt", "prompt"),
    FileColumn("user_id", "user_id", is_id=True),
    FileColumn("item_id", "id", is_id=True),
    FileColumn("nsfw", "NSFW", required=False),
)
# Only what says so plainly is unflagged: a word not known here is kept out of the pictures.
_FLAGGED = Rule(
    "flagged as not safe for work", "lower(trim(coalesce(nsfw, ''))) NOT IN ('', 'false', '0', '0.0', 'no')"
)
_NO_PROMPT = Rule("prompt is missing", "coalesce(trim(prompt), '') = ''")
_EVENT_TIME = "TIMESTAMPTZ '2000-01-01 00:00:00+00' + to_seconds(line)"


@dataclass(frozen=True, kw_only=True)
class PromptHistories:
    """Each prompt is an interaction (kind `prompt`, weight 1) and an item (fields `title` and `prompt`).

    The data have no times; the order of a user's lines stands for them: line n happened n seconds after
    2000-01-01, the last one being the latest. A prompt flagged as not safe for work is refused.
    """

    path: Path
    """A folder, a file, a glob pattern, or an address of one."""
    source: str = "prompt_histories"

    def files(self) -> tuple[SourceFile, ...]:
        """Each user's file twice: its items, then its interactions.

        Raises:
            SourceFileError: if there are none.
        """
        search = search_files(place_of(self.path), JsonLines().suffixes)
        items = [self._file(file, "items", _ITEM) for file in search.files]
        interactions = [self._file(file, "interactions", self._interaction) for file in search.files]
        items[:1] = [replace(file, left_aside=search.notes) for file in items[:1]]
        return *items, *interactions

    def _file(self, file: FoundFile, table: str, staged: dict[str, str]) -> SourceFile:
        return SourceFile(
            path=file.path,
            name=file.name,
            member=file.member,
            source=self.source,
            table=table,
            format=JsonLines(),
            columns=_COLUMNS,
            staged=staged,
            rules=(_FLAGGED, _NO_PROMPT),
            fault=file.fault,
        )

    @property
    def _interaction(self) -> dict[str, str]:
        return {
            "interaction_id": "'#' || md5(concat_ws(chr(0), user_id, item_id))",
            "user_id": "user_id",
            "item_id": "item_id",
            "event_time": _EVENT_TIME,
            "kind": "'prompt'",
            "weight": "1.0",
        }


_ITEM = {
    "item_id": "item_id",
    "title": "prompt",
    "fields": "json_object('title', prompt, 'prompt', prompt)",
    "stock_image_uri": "NULL",
}
