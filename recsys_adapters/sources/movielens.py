"""MovieLens: the latest layout (`ratings.csv`, `movies.csv`) and that of 100K (`u.data`, `u.item`)."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from recsys_adapters.errors import SourceFileError
from recsys_adapters.formats.delimited_text import DelimitedText
from recsys_adapters.formats.record_format import FileColumn, RecordFormat
from recsys_adapters.records.interaction_ids import interaction_id_sql
from recsys_adapters.records.source_file import SourceFile

_RATING_COLUMNS = (
    FileColumn("user_id", "userId"),
    FileColumn("item_id", "movieId"),
    FileColumn("rating", "rating", "DOUBLE"),
    FileColumn("epoch_seconds", "timestamp", "BIGINT"),
)
_MOVIE_COLUMNS = (
    FileColumn("item_id", "movieId"),
    FileColumn("title", "title"),
    FileColumn("genres", "genres", required=False),
)
# In the order of the flags at the end of a line of u.item, after 'unknown'.
_GENRES_100K = (
    *("action", "adventure", "animation", "children", "comedy", "crime", "documentary", "drama", "fantasy"),
    *("film-noir", "horror", "musical", "mystery", "romance", "sci-fi", "thriller", "war", "western"),
)
_U_DATA = DelimitedText(delimiter="\t", quoted=False, names=("userId", "movieId", "rating", "timestamp"))
_U_ITEM = DelimitedText(
    delimiter="|",
    quoted=False,
    encoding="latin-1",
    names=("movieId", "title", "release", "video_release", "url", "unknown", *_GENRES_100K),
)

_ARTICLES = "The|A|An|Le|La|Les|L'|Un|Une|Una|Der|Die|Das|Ein|Eine|El|Los|Las|Il|Lo|Gli|Det|Den|De|Het|En|Ett"


@dataclass(frozen=True, kw_only=True)
class MovieLens:
    """Ratings and films of a MovieLens folder.

    An interaction has kind `rating` and the rating as its weight. An item has the fields `title` (article
    in front, year kept: "The Godfather (1972)"), `genres` (lower case, joined by spaces) and `year` ("" if
    unknown).
    """

    path: Path
    source: str = "movielens"

    def files(self) -> tuple[SourceFile, ...]:
        """The folder's films and ratings.

        Raises:
            SourceFileError: if the folder has neither layout.
        """
        if (self.path / "ratings.csv").exists():
            csv = DelimitedText()
            return self._items("movies.csv", csv), self._ratings("ratings.csv", csv)
        if (self.path / "u.data").exists():
            return self._items_100k(), self._ratings("u.data", _U_DATA)
        raise SourceFileError(
            f"{self.path} is no MovieLens folder: it has neither ratings.csv (with movies.csv) "
            "nor u.data (with u.item). Unpack the archive and name the folder inside it."
        )

    def _ratings(self, name: str, file_format: RecordFormat) -> SourceFile:
        # Beyond year 5000 to_timestamp would fail for the whole file; such a time is refused for its row.
        event_time = "CASE WHEN epoch_seconds BETWEEN -1e11 AND 1e11 THEN to_timestamp(epoch_seconds) END"
        return SourceFile(
            path=self.path / name,
            name=name,
            source=self.source,
            table="interactions",
            format=file_format,
            columns=_RATING_COLUMNS,
            staged={
                "interaction_id": interaction_id_sql(event_time=event_time, kind="'rating'"),
                "user_id": "user_id",
                "item_id": "item_id",
                "event_time": event_time,
                "kind": "'rating'",
                "weight": "rating",
            },
        )

    def _items(self, name: str, file_format: RecordFormat) -> SourceFile:
        genres = "CASE WHEN genres = '(no genres listed)' THEN '' ELSE replace(lower(genres), '|', ' ') END"
        return self._item_file(name, file_format, _MOVIE_COLUMNS, genres)

    def _items_100k(self) -> SourceFile:
        flags = tuple(FileColumn(f"is_{genre}", genre, "BIGINT") for genre in _GENRES_100K)
        words = ", ".join(f"CASE WHEN \"is_{genre}\" = 1 THEN '{genre}' END" for genre in _GENRES_100K)
        return self._item_file("u.item", _U_ITEM, _MOVIE_COLUMNS[:2] + flags, f"concat_ws(' ', {words})")

    def _item_file(
        self, name: str, file_format: RecordFormat, columns: tuple[FileColumn, ...], genres: str
    ) -> SourceFile:
        return SourceFile(
            path=self.path / name,
            name=name,
            source=self.source,
            table="items",
            format=file_format,
            columns=columns,
            staged=_item_sql(genres),
        )


def _item_sql(genres: str) -> Mapping[str, str]:
    title = _front_article_sql("title")
    year = r"coalesce(regexp_extract(title, '\((\d{4})[^()]*\)\s*$', 1), '')"
    return {
        "item_id": "item_id",
        "title": title,
        "fields": f"json_object('title', {title}, 'genres', coalesce({genres}, ''), 'year', {year})",
        "stock_image_uri": "NULL",
    }


def _front_article_sql(title: str) -> str:
    """SQL that puts the article of a title, and of the other title in brackets, where it is spoken."""
    articles = _ARTICLES.replace("'", "''")
    outer = rf"regexp_replace(trim({title}), '^([^(]*), ({articles})( \(.*)?$', '\2 \1\3')"
    inner = rf"regexp_replace({outer}, '\(([^()]*), ({articles})\)', '(\2 \1)', 'g')"
    return rf"regexp_replace({inner}, '(^|\()L'' ', '\1L''', 'g')"
