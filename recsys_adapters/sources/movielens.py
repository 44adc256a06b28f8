"""MovieLens in all its layouts: 100K, 1M and 10M, 20M and later, and the edition of 20M that Kaggle has."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from recsys_adapters.errors import SourceFileError
from recsys_adapters.formats.delimited_text import DelimitedText
from recsys_adapters.formats.file_lines import read_blocks, read_first_lines
from recsys_adapters.formats.record_format import FileColumn, RecordFormat
from recsys_adapters.records.event_times import TimeSpelling
from recsys_adapters.records.interaction_ids import interaction_id_sql
from recsys_adapters.records.source_file import SourceFile
from recsys_adapters.sources.remote_files import place_of

_RATING_NAMES = ("userId", "movieId", "rating", "timestamp")
_MOVIE_NAMES = ("movieId", "title", "genres")
_MOVIE_COLUMNS = (
    FileColumn("item_id", "movieId", is_id=True),
    FileColumn("title", "title"),
    FileColumn("genres", "genres", required=False),
)
# In the order of the flags at the end of a line of u.item, after 'unknown'.
_GENRES_100K = (
    *("action", "adventure", "animation", "children", "comedy", "crime", "documentary", "drama", "fantasy"),
    *("film-noir", "horror", "musical", "mystery", "romance", "sci-fi", "thriller", "war", "western"),
)
_U_DATA = DelimitedText(delimiter="\t", quote="", header=False, names=_RATING_NAMES)
_U_ITEM = DelimitedText(
    delimiter="|",
    quote="",
    encoding="latin-1",
    header=False,
    names=("movieId", "title", "release", "video_release", "url", "unknown", *_GENRES_100K),
)

NOT_READ = (
    *("README.txt", "links.csv", "tags.csv", "genome-scores.csv", "genome-tags.csv"),
    *("link.csv", "tag.csv", "genome_scores.csv", "genome_tags.csv", "users.dat", "tags.dat"),
)
"""What MovieLens itself has beside ratings and films."""
_ARTICLES = "The|A|An|Le|La|Les|L'|Un|Une|Una|Der|Die|Das|Ein|Eine|El|Los|Las|Il|Lo|Gli|Det|Den|De|Het|En|Ett"


@dataclass(frozen=True, kw_only=True)
class MovieLens:
    """Ratings and films of a MovieLens folder.

    An interaction has kind `rating` and the rating as its weight. An item has the fields `title` (article
    in front, year kept: "The Godfather (1972)"), `genres` (lower case, joined by spaces) and `year` ("" if
    unknown).
    """

    path: Path
    """Its folder, or the address of one."""
    source: str = "movielens"

    def files(self) -> tuple[SourceFile, ...]:
        """The folder's films and ratings.

        Raises:
            SourceFileError: if the folder has none of the layouts.
        """
        if (here := place_of(self.path)) != self.path:
            return replace(self, path=here).files()
        layouts = (
            ("ratings.csv", "movies.csv", self._read_csv),
            ("rating.csv", "movie.csv", self._read_csv),
            ("ratings.dat", "movies.dat", self._read_dat),
            ("u.data", "u.item", self._read_100k),
        )
        for ratings, movies, read in layouts:
            if (self.path / ratings).exists() and (self.path / movies).exists():
                return read(ratings, movies)
        pairs = ", ".join(f"{ratings} with {movies}" for ratings, movies, _ in layouts)
        raise SourceFileError(
            f"{self.path} is no MovieLens folder: it has none of {pairs}. Unpack the archive and name the "
            "folder inside it."
        )

    def _read_csv(self, ratings: str, movies: str) -> tuple[SourceFile, ...]:
        csv = DelimitedText()
        time_format = "iso8601" if ratings == "rating.csv" else "seconds"
        return self._items(movies, csv), self._ratings(ratings, csv, time_format)

    def _read_dat(self, ratings: str, movies: str) -> tuple[SourceFile, ...]:
        films = DelimitedText(
            delimiter="::", quote="", header=False, names=_MOVIE_NAMES, encoding=_encoding(self.path / movies)
        )
        events = DelimitedText(delimiter="::", quote="", header=False, names=_RATING_NAMES)
        return self._items(movies, films), self._ratings(ratings, events)

    def _read_100k(self, ratings: str, movies: str) -> tuple[SourceFile, ...]:
        return self._items_100k(movies), self._ratings(ratings, _U_DATA)

    def _ratings(self, name: str, file_format: RecordFormat, time_format: str = "seconds") -> SourceFile:
        spelling = TimeSpelling(time_format=time_format)
        event_time = spelling.sql("event_time")
        return SourceFile(
            path=self.path / name,
            name=name,
            source=self.source,
            table="interactions",
            format=file_format,
            columns=(
                FileColumn("user_id", "userId", is_id=True),
                FileColumn("item_id", "movieId", is_id=True),
                FileColumn("rating", "rating", "DOUBLE"),
                FileColumn("event_time", "timestamp", spelling.column_type),
            ),
            staged={
                "interaction_id": interaction_id_sql(event_time=event_time, kind="'rating'"),
                "user_id": "user_id",
                "item_id": "item_id",
                "event_time": event_time,
                "kind": "'rating'",
                "weight": "rating",
            },
            rules=spelling.rules,
        )

    def _items(self, name: str, file_format: RecordFormat) -> SourceFile:
        genres = "CASE WHEN genres = '(no genres listed)' THEN '' ELSE replace(lower(genres), '|', ' ') END"
        return self._item_file(name, file_format, _MOVIE_COLUMNS, genres)

    def _items_100k(self, name: str) -> SourceFile:
        flags = tuple(FileColumn(f"is_{genre}", genre, "BIGINT") for genre in _GENRES_100K)
        words = ", ".join(f"CASE WHEN \"is_{genre}\" = 1 THEN '{genre}' END" for genre in _GENRES_100K)
        return self._item_file(name, _U_ITEM, _MOVIE_COLUMNS[:2] + flags, f"concat_ws(' ', {words})")

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


def has_its_columns(file: SourceFile) -> bool:
    """Whether a file has the columns of MovieLens, by its header or, without one, by their number.

    Raises:
        SourceFileError: if it is damaged, or no text.
    """
    read = file.format
    assert isinstance(read, DelimitedText)  # all files of MovieLens are
    if read.header:
        names = read.layout(file.path).names
        return all(column.name in names for column in file.columns if column.required)
    first = read_first_lines(file.path, 1, encoding=read.encoding)
    return bool(first) and len(first[0].split(read.delimiter)) == len(read.names)


def _encoding(path: Path) -> str:
    """That of 10M is UTF-8, that of 1M is not."""
    try:
        for block in read_blocks(path):
            block.text.decode()
    except UnicodeDecodeError:
        return "latin-1"
    return "utf-8"


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
