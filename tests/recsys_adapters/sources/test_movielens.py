import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from recsys_adapters.errors import SourceFileError
from recsys_adapters.sources.movielens import MovieLens
from recsys_adapters.testing.line_contract import HeaderContract, LineContract, Utf8Contract, stage

MOVIES = "movieId,title,genres\n"
RATINGS = "userId,movieId,rating,timestamp\n"


class TestRatings(HeaderContract):
    header = b"userId,movieId,rating,timestamp"
    required = b"rating"
    file_name = "ratings.csv"
    broken = {
        b"": "line is empty",
        b"1,2,4.0": "line has 3 columns, expected 4",
        b"1,2,4.0,964982703,5": "line has 5 columns, expected 4",
        b"1,2,good,964982703": "rating is not a number",
        b"1,2,,964982703": "weight is missing, or its kind has none in the settings",
        b"1,2,nan,964982703": "weight is missing, or its kind has none in the settings",
        b"1,2,-inf,964982703": "weight is not finite",
        b"1,2,4.0,yesterday": "timestamp is not a number",
        b"1,2,4.0,": "event_time is missing or is not a time",
        b"1,2,4.0,9223372036854775807": "event_time is missing or is not a time",
        b"1,2,4.0,-1": "event_time is before 1990-01-01, the `earliest`: is it of another unit?",
        b"1,2,4.0,9999999999": "event_time is in the future",
        b",2,4.0,964982703": "user_id is missing",
        b"1,  ,4.0,964982703": "item_id is missing",
        b'"1,2,4.0,964982703': "stray quote",
        b'1,"2"3,4.0,964982703': "stray quote",
        b'1,2,4.0",964982703': "rating is not a number",
        b"1\0,2,4.0,964982703": "userId has a NUL character",
        b"1,2\xff,4.0,964982703": "not valid UTF-8",
        b"userId,movieId,rating,timestamp": "rating is not a number",
    }

    def record(self, number):
        return f"{number % 3},{number},{number % 10 / 2},{964982703 + number}".encode()

    def source_file(self, folder):
        (folder / "movies.csv").touch()
        return MovieLens(path=folder).files()[1]

    def test_a_rating_is_an_interaction_of_its_weight_and_time(self, clean):
        _, user_id, item_id, event_time, *rest = clean.rows[3]
        assert (user_id, item_id, *rest) == ("0", "3", "rating", 1.5, "movielens")
        assert event_time == datetime.fromtimestamp(964982706, UTC)

    def test_another_rating_of_the_same_moment_has_the_same_id(self):
        staged = self.stage_bytes(self.content([b"1,2,4.0,964982703", b"1,2,5.0,964982703"]))
        assert staged.rows[0][0] == staged.rows[1][0]

    def test_digits_moved_between_user_and_item_make_another_id(self):
        staged = self.stage_bytes(self.content([b"1,23,4.0,964982703", b"12,3,4.0,964982703"]))
        assert staged.rows[0][0] != staged.rows[1][0]


class TestRatings100K(Utf8Contract):
    file_name = "u.data"
    broken = {
        b"": "line is empty",
        b"1\t2\t4": "line has 3 columns, expected 4",
        b"1\t2\tx\t881250949": "rating is not a number",
        b"\t2\t4\t881250949": "user_id is missing",
        b"1\t2\t4\t881250949\xff": "not valid UTF-8",
    }

    def record(self, number):
        return f"196\t{number}\t3\t88125094{number % 10}".encode()

    def source_file(self, folder):
        (folder / "u.item").touch()
        return MovieLens(path=folder).files()[1]


class TestMovies(HeaderContract):
    header = b"movieId,title,genres"
    required = b"title"
    file_name = "movies.csv"
    broken = {
        b"": "line is empty",
        b"7,Heat (1995)": "line has 2 columns, expected 3",
        b"7,Good, the Bad and the Ugly,War": "line has 4 columns, expected 3",
        b'7,"Heat (1995),Action': "stray quote",
        b",Heat (1995),Action": "item_id is missing",
        b"7,,Action": "title is missing",
        b"7,Heat\xe9 (1995),Action": "not valid UTF-8",
    }

    def record(self, number):
        return f'{number},"Film ""{number}"" (19{number + 10})",Action|Crime'.encode()

    def source_file(self, folder):
        (folder / "ratings.csv").touch()
        return MovieLens(path=folder).files()[0]

    @pytest.mark.parametrize(
        ("line", "title", "year"),
        [
            ('1,"Godfather, The (1972)",Crime', "The Godfather (1972)", "1972"),
            (
                '1,"City of Lost Children, The (Cité des enfants perdus, La) (1995)",Drama',
                "The City of Lost Children (La Cité des enfants perdus) (1995)",
                "1995",
            ),
            ('1,"Avventura, L\' (1960)",Drama', "L'Avventura (1960)", "1960"),
            ('1,"Tinker, Tailor, Soldier, Spy (1979)",Drama', "Tinker, Tailor, Soldier, Spy (1979)", "1979"),
            ("1,Babylon 5,Sci-Fi", "Babylon 5", ""),
            ("1,Bunny (2006–2007),Comedy", "Bunny (2006–2007)", "2006"),
        ],
    )
    def test_a_title_reads_as_it_is_spoken(self, line, title, year):
        ((_, staged_title, fields, _),) = self.stage_bytes(self.content([line.encode()])).rows
        assert staged_title == title
        assert json.loads(fields)["title"] == title
        assert json.loads(fields)["year"] == year

    @pytest.mark.parametrize(
        ("genres", "words"),
        [("Adventure|Sci-Fi", "adventure sci-fi"), ("(no genres listed)", ""), ("", "")],
    )
    def test_genres_are_words(self, genres, words):
        ((_, _, fields, _),) = self.stage_bytes(self.content([f"1,Heat (1995),{genres}".encode()])).rows
        assert json.loads(fields)["genres"] == words


@pytest.mark.whole
class TestMovies100K(LineContract):
    file_name = "u.item"
    broken = {
        b"": "line is empty",
        b"1|Toy Story (1995)": "line has 2 columns, expected 24",
        b"1|Toy Story (1995)|01-Jan-1995||http" + b"|x" * 19: "action is not a whole number",
        b"|Toy Story (1995)|01-Jan-1995||http" + b"|0" * 19: "item_id is missing",
    }

    def record(self, number):
        return (
            f"{number}|Fil\xe9m {number} (1995)|01-Jan-1995||http|0|0|0|1|1|1".encode("latin-1") + b"|0" * 13
        )

    def source_file(self, folder):
        (folder / "u.data").touch()
        return MovieLens(path=folder).files()[0]

    def test_flags_become_genres_and_latin_1_becomes_text(self, clean):
        item_id, title, fields, _ = clean.rows[0]
        assert (item_id, title) == ("0", "Filém 0 (1995)")
        assert json.loads(fields)["genres"] == "animation children comedy"


@pytest.mark.parametrize("alone", [None, "ratings.csv", "ratings.dat", "movies.csv", "u.data"])
def test_a_folder_without_ratings_and_films_is_an_error(tmp_path, alone):
    if alone:
        (tmp_path / alone).touch()
    match = r"is no MovieLens folder: .*ratings\.csv with movies\.csv, .*u\.data with u\.item\."
    with pytest.raises(SourceFileError, match=match):
        MovieLens(path=tmp_path).files()


def test_the_sample_is_read_without_a_refusal(connection):
    sample = Path(__file__).parents[3] / "sample" / "ml-latest-small"
    movies, ratings = (stage(connection, file) for file in MovieLens(path=sample).files())
    assert (len(movies.rows), len(ratings.rows)) == (9742, 100836)
    assert movies.rejects == ratings.rejects == []
    assert len({row[0] for row in ratings.rows}) == 100836
