"""What a taste has more of, and less, than everybody's, in a few words of the catalogue.

A word is a part of one of an item's fields: a genre, a brand, a phrase of a prompt or of a picture's
style; a year says its decade.
What is told is compared with all that everybody likes, but only in words of texts that enough users like (see
`population`), so no word tells of anybody else.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from feature_store.lake.lake import Lake
from feature_store.tables.descriptions import items_with_style

WORDS = f"""
    WITH item AS (
        SELECT item_id, reference_id, fields FROM ({items_with_style()})
        WHERE reference_id IN (SELECT reference_id FROM population UNION FROM liked)
    ), field AS (
        SELECT item_id, reference_id, unnest(map_entries(fields::JSON::MAP(VARCHAR, VARCHAR))) AS entry
        FROM item
    ), part AS (  -- a field that has signs between its parts anywhere has parts of several words
        SELECT item_id, reference_id, entry.key AS field, unnest(string_split(
            CASE WHEN bool_or(regexp_matches(entry.value, '[|,;\uff0c\u3001]')) OVER (PARTITION BY entry.key)
            THEN translate(entry.value, ',;\uff0c\u3001', '||||')
            ELSE regexp_replace(entry.value, '\\s+', '|', 'g') END, '|'
        )) AS part
        FROM field WHERE CASE WHEN len($fields) = 0 THEN entry.key <> 'title' ELSE entry.key IN $fields END
    ), named AS (
        SELECT DISTINCT item_id, reference_id, field, CASE
            WHEN regexp_full_match(trim(part), '(1[5-9]|20)\\d\\d') THEN trim(part)[:3] || '0s'
            ELSE lower(trim(part))
        END AS word
        FROM part
        -- a price, a date, an address say which item it is, and nothing of a taste
        WHERE length(trim(part)) BETWEEN 2 AND $longest
            AND regexp_matches(word, '\\p{{L}}') AND NOT contains(word, '://')
    ), alike AS (SELECT reference_id, count(*) AS num_items FROM item GROUP BY reference_id),
    shared AS (  -- of items with one text nobody knows which of them somebody met
        SELECT reference_id, field, word FROM named JOIN alike USING (reference_id)
        GROUP BY ALL HAVING count(*) = any_value(num_items)
    ), telling AS (  -- a field each of whose words only one item has is that item's name, or number
        SELECT field FROM shared GROUP BY field
        HAVING len($fields) > 0 OR count(DISTINCT reference_id) < $few
            OR count(*) > $shared * count(DISTINCT word)
    )
    SELECT DISTINCT reference_id, word FROM shared SEMI JOIN telling USING (field)
"""
TASTE_WORDS = f"""
    WITH liked AS (SELECT reference_id FROM tastes), word AS ({WORDS}),
    everybody AS (
        SELECT word, sum(weight) / (SELECT sum(weight) FROM population) AS share
        FROM population JOIN word USING (reference_id)
        GROUP BY word HAVING max(num_users) >= $least_users
    ), size AS (
        SELECT taste_number, sum(weight) AS weight FROM tastes GROUP BY taste_number
    ), own AS (
        SELECT taste_number, word, sum(tastes.weight) AS weight
        FROM tastes JOIN word USING (reference_id) GROUP BY ALL
    ), told AS (  -- a word that a taste lacks differs by what everybody has of it
        SELECT taste_number, word FROM own
        UNION SELECT taste_number, word FROM size CROSS JOIN everybody WHERE everybody.share >= $least
    )
    SELECT size.taste_number, everybody.word, coalesce(own.weight, 0) / size.weight AS share,
           everybody.share AS share_of_everybody,
           (coalesce(own.weight, 0) / size.weight - everybody.share) / sqrt(everybody.share) AS difference
    FROM told JOIN size USING (taste_number) JOIN everybody USING (word)
    LEFT JOIN own USING (taste_number, word)
    WHERE abs(coalesce(own.weight, 0) / size.weight - everybody.share) >= $least
    QUALIFY row_number() OVER (
        PARTITION BY size.taste_number ORDER BY abs(difference) DESC, everybody.word
    ) <= $most
    ORDER BY size.taste_number, abs(difference) DESC, everybody.word
"""
TASTES = pa.schema([("taste_number", pa.int64()), ("reference_id", pa.int64()), ("weight", pa.float64())])
"""References of several tastes, each with its weight, above 0."""
LONGEST = 24
"""Letters of a word; what is longer is a sentence."""
FEW_ITEMS = 10
"""Too few to tell a field of names from one of properties."""
SHARED = 1.25
"""Items that have a word of a field of properties, on average, at least."""
LEAST_DIFFERENCE = 0.05
"""Of two shares: a smaller one is chance, and nobody sees it."""


@dataclass(frozen=True, kw_only=True)
class TasteWord:
    """A word that a taste has more of than everybody's, or less."""

    word: str
    share: float
    """Of the taste, 0 to 1."""
    share_of_everybody: float
    """Of the mean taste, above 0."""
    difference: float
    """Pearson's residual: the difference of both, by the square root of the expected one."""

    def __str__(self) -> str:
        return f"{'more' if self.difference > 0 else 'less'} {self.word}"


def compare_tastes(
    lake: Lake,
    tastes: pa.Table,
    population: pa.Table,
    *,
    least_users: int,
    fields: Sequence[str] = (),
    most: int = 3,
) -> dict[int, list[TasteWord]]:
    """Say in words how tastes differ from what everybody likes.

    Args:
        lake: where items and their fields are.
        tastes: the references of each taste, as in `TASTES`.
        population: all that everybody likes, from `scan_population`.
        least_users: who must like a text whose words are told.
        fields: those whose parts are words; none: all but the title.
        most: words of each taste.

    Returns:
        The most telling words of each taste, by its number; a taste like everybody's has none.
    """
    connection = lake.cursor()
    connection.register("tastes", tastes)
    connection.register("population", population)
    limits = {"longest": LONGEST, "least": LEAST_DIFFERENCE, "few": FEW_ITEMS, "shared": SHARED, "most": most}
    asked = {"fields": list(fields), "least_users": least_users, **limits}
    rows = connection.execute(TASTE_WORDS, asked).to_arrow_table().to_pylist()
    words: dict[int, list[TasteWord]] = {}
    for row in rows:
        words.setdefault(row.pop("taste_number"), []).append(TasteWord(**row))
    return words


def taste_table(references: Sequence[tuple[int, int, float]]) -> pa.Table:
    """Write references, each its taste's number, its id and its weight, as `compare_tastes` takes them."""
    columns = list(zip(*references, strict=True)) or [(), (), ()]
    return pa.table(
        [pa.array(column, field.type) for column, field in zip(columns, TASTES, strict=True)], TASTES
    )


def list_words(words: Sequence[TasteWord]) -> str:
    """Write words as people say them: more of these, less of those."""
    return ", ".join(str(word) for word in words)
