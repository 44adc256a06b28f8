# ruff: noqa: E501 - lines of data sets are as long as they are
"""The recipes of public data sets, each on a few lines of the data set's layout."""

import tomllib
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flows.source_settings import Source
from recsys_adapters.data_sets.recipe_files import UnknownDataSetError, find_recipe, read_recipes
from recsys_adapters.testing.line_contract import stage

FILES = {
    "Netflix Prize": {
        "combined_data_1.txt": "1:\n1488844,3,2005-09-06\n822109,5,2005-05-13\n2:\n885013,4,2005-10-19\n",
        "movie_titles.csv": "1,2003,Dinosaur Planet\n2,2004,Isle of Man, The\n",
    },
    "MIND": {
        "behaviors.tsv": "1\tU1\t11/11/2019 9:05:58 AM\tN1 N2\tN3-1 N4-0\n",
        "news.tsv": 'N3\tlifestyle\tx\tThe "Best" Dressed\tabstract\thttps://x\t[]\t[]\n',
    },
    "Yoochoose": {"yoochoose-clicks.dat": "1,2014-04-07T10:51:09.277Z,214536502,0\n"},
    "Amazon reviews 2014": {
        "reviews_Beauty_5.json": '{"reviewerID": "A1", "asin": "B1", "overall": 5.0, "unixReviewTime": 1252800000}\n',
        "meta_Beauty.json": "{'asin': 'B1', 'title': 'It\\'s soap', 'categories': [['Beauty', 'Soap']]}\n",
    },
    "Amazon reviews 2018": {"All_Beauty.csv": "B1,A1,5.0,1252800000\n"},
    "Amazon reviews 2023": {
        "All_Beauty.jsonl": '{"rating": 5.0, "parent_asin": "B1", "user_id": "A1", "timestamp": 1588687728923}\n',
        "meta_All_Beauty.jsonl": '{"parent_asin": "B1", "title": "Soap &amp; Co", "categories": ["Beauty", "Soap"]}\n',
    },
    "Steam": {"steam_reviews.json": "{u'username': u'ann', u'product_id': u'7', u'hours': 2.5, u'date': u'2017-12-17'}\n"},
    "Yelp": {
        "yelp_academic_dataset_review.json": '{"user_id": "u", "business_id": "b", "stars": 4.0, "date": "2018-07-07 22:09:11"}\n',
        "yelp_academic_dataset_business.json": '{"business_id": "b", "name": "Bar &amp; Grill", "categories": "Bars, Food"}\n',
    },
    "Goodreads": {
        "goodreads_interactions.json": '{"user_id": "u", "book_id": "1", "rating": 5, "date_updated": "Tue Nov 17 11:37:35 -0800 2015"}\n',
        "goodreads_books.json": '{"book_id": "1", "title": "Alpha (Letters, #1)", "title_without_series": "Alpha"}\n',
    },
    "goodbooks-10k": {
        "ratings.csv": "user_id,book_id,rating\n1,258,5\n",
        "books.csv": "book_id,title,authors\n258,The Shadow of the Wind,Carlos Ruiz Zafón\n",
    },
    "Book-Crossing": {
        "BX-Book-Ratings.csv": '"User-ID";"ISBN";"Book-Rating"\n"276725";"034545104X";"0"\n'.encode("latin-1"),
        "BX-Books.csv": '"ISBN";"Book-Title";"Book-Author"\n"034545104X";"Flesh \\"Tones\\"; é";"Rose"\n'.encode("latin-1"),
    },
    "Last.fm 1K": {
        "userid-timestamp-artid-artname-traid-traname.tsv": "user_1\t2009-05-04T23:08:57Z\tart1\tDeep Dish\t\tFuck Me Im Famous\n",
    },
    "Last.fm 360K": {"usersha1-artmbid-artname-plays.tsv": "00000c\t3bd73256\tbetty blowtorch\t2137\n"},
    "RetailRocket": {"events.csv": "timestamp,visitorid,event,itemid,transactionid\n1433221332117,257597,view,355908,\n"},
    "OTTO": {
        "otto-recsys-train.jsonl": '{"session": 1, "events": [{"aid": 59625, "ts": 1661724000278, "type": "clicks"}, '
        '{"aid": 59626, "ts": 1661724000279, "type": "orders"}]}\n'
    },
    "H&M": {
        "transactions_train.csv": "t_dat,customer_id,article_id,price,sales_channel_id\n2018-09-20,000a,0663713001,0.05,2\n",
        "articles.csv": "article_id,prod_name,colour_group_name\n0663713001,Atlanta Push Body,Black\n",
    },
    "Taobao": {"UserBehavior.csv": "1,2268318,2520377,pv,1511544070\n"},
    "KuaiRec": {
        "big_matrix.csv": "user_id,video_id,play_duration,video_duration,time,date,timestamp,watch_ratio\n"
        "0,3649,13838,10867,2020-07-05 00:08:23.438,20200705,1593878903.438,1.27\n"
    },
    "Gowalla": {"loc-gowalla_totalCheckins.txt": "0\t2010-10-19T23:55:27Z\t30.23\t-97.79\t22847\n"},
    "RecBole": {
        "ml.inter": "user_id:token\titem_id:token\trating:float\ttimestamp:float\n1\t2\t3.0\t881250949\n",
        "ml.item": "item_id:token\tmovie_title:token_seq\tclass:token_seq\n2\tGoldenEye\tAction\n",
    },
}  # fmt: skip
ROWS = {
    "Netflix Prize": [("1488844", "1"), ("822109", "1"), ("885013", "2")],
    "MIND": [("U1", "N3"), ("U1", "N4")],
    "Steam": [("ann", "7")],
    "OTTO": [("1", "59625"), ("1", "59626")],
    "H&M": [("000a", "0663713001")],
    "RecBole": [("1", "2")],
    "Taobao": [("1", "2268318")],
    "Last.fm 1K": [("user_1", "art1")],
    "Gowalla": [("0", "22847")],
    "Book-Crossing": [("276725", "034545104X")],
}
TITLES = {
    "Netflix Prize": ["Dinosaur Planet", "Isle of Man, The"],
    "MIND": ['The "Best" Dressed'],
    "Amazon reviews 2014": ["It's soap"],
    "Amazon reviews 2023": ["Soap & Co"],
    "Yelp": ["Bar & Grill"],
    "Goodreads": ["Alpha"],
    "Book-Crossing": ['Flesh "Tones"; é'],
    "RecBole": ["GoldenEye"],
}


def sources(folder, name):
    for table in tomllib.loads(find_recipe(name).toml)["sources"]:
        yield Source.model_validate(table | {"path": str(folder / Path(table["path"]).name)})


@pytest.mark.parametrize("name", FILES)
def test_a_recipe_reads_the_layout_of_its_data_set(connection, tmp_path, name):
    for file, content in FILES[name].items():
        (tmp_path / file).write_bytes(content if isinstance(content, bytes) else content.encode())
    pairs, titles = [], []
    for source in sources(tmp_path, name):
        for file in source.files():
            staged = stage(connection, file)
            assert staged.rejects == []
            if file.table == "interactions":
                pairs += [row[1:3] for row in staged.rows]
                assert all(datetime(1995, 1, 1, tzinfo=UTC) < row[3] for row in staged.rows)
            else:
                titles += [row[1] for row in staged.rows]
    assert pairs
    assert sorted(pairs) == ROWS.get(name, sorted(pairs))
    assert sorted(titles) == TITLES.get(name, sorted(titles))


def test_every_recipe_is_tried():
    assert {recipe.name for recipe in read_recipes()} == set(FILES) | {"DiffusionDB"}


@pytest.mark.parametrize("name", ["netflix prize", "Netflix-Prize", "NETFLIXPRIZE"])
def test_a_recipe_is_found_however_its_name_is_spelt(name):
    assert find_recipe(name).name == "Netflix Prize"


def test_an_unknown_data_set_names_the_nearest_and_all_there_are():
    with pytest.raises(
        UnknownDataSetError, match=r"no recipe for netflx: did you mean Netflix Prize\?.*MIND"
    ):
        find_recipe("netflx")


def test_prompts_above_a_threshold_are_left_out_of_diffusiondb(connection, tmp_path):
    columns = {
        "image_name": ["a.png", "b.png"], "prompt": ["a castle", "a nude"], "user_name": ["h1", "h1"],
        "timestamp": pa.array([datetime(2022, 8, 7, tzinfo=UTC)] * 2),
        "prompt_nsfw": [0.01, 0.9], "image_nsfw": [0.1, 0.1],
    }  # fmt: skip
    pq.write_table(pa.table(columns), tmp_path / "metadata.parquet")
    for source in sources(tmp_path, "DiffusionDB"):
        (file,) = source.files()
        staged = stage(connection, file)
        assert len(staged.rows) == 1
        assert [reason for _, reason, _ in staged.rejects] == ["prompt_nsfw is above 0.5"]
