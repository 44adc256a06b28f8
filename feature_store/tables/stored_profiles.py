"""A user's stored profile, for a service that is asked for a picture without being told the user's taste."""

from feature_store.history.liking import liked_texts
from feature_store.lake.lazy_lake import LazyLake
from feature_store.lake.reader_views import WILLING

BORROWED = "item.reference_id IN (SELECT reference_id FROM mine WHERE origin = 'neighbours')"
STORED = f"""
    WITH mine AS (
        SELECT p.user_key, p.reference_item_id, p.reference_id, p.position, p.weight, p.origin,
               r.reference_text, t.target_text = $prompt AS is_meant
        FROM profiles AS p
        JOIN items AS r ON r.item_id = p.reference_item_id
        LEFT JOIN items AS t ON t.item_id = p.item_id
        WHERE p.user_id = $user_id AND {WILLING}
            AND r.reference_text IS NOT NULL
    ), lent AS (
        SELECT liked.user_key, liked.reference_id
        FROM {liked_texts("known_events(now(), now())", BORROWED)} AS liked
    )
    SELECT any_value(reference_text) AS reference, max(weight) AS weight
    FROM mine
    WHERE (is_meant OR NOT EXISTS (FROM mine WHERE is_meant))
        AND (origin <> 'neighbours' OR EXISTS (
            FROM lent WHERE lent.reference_id = mine.reference_id AND lent.user_key <> mine.user_key))
    GROUP BY reference_item_id
    ORDER BY min(position), reference_item_id
"""


class StoredProfiles:
    """The published profiles of a workspace, read anew for each question; may be shared between threads.

    Args:
        folder: The lake's folder; it is opened with the first question, so that a server without a workspace
            can serve the requests that bring their references along.
        catalog: The lake's catalogue, as `Lake` takes it.
        storage: The object store that its files are in, as `Lake` takes it.
    """

    def __init__(self, folder: str, catalog: str | None = None, storage: str | None = None) -> None:
        self._lake = LazyLake(folder, catalog, storage)

    def __call__(self, user_id: str, prompt: str) -> tuple[list[str], list[float]]:
        """Return the references and weights of a user, both empty for a user without a profile.

        If the prompt is the text of an item that the user has a profile for, it is that profile; else it is
        all that the user's profiles hold. Users who opted out have none, and what they alone had lent to
        others is not among theirs.

        Raises:
            LakeError: There is no lake.
        """
        rows = self._lake.query(STORED, {"user_id": user_id, "prompt": prompt})
        return rows["reference"].to_pylist(), rows["weight"].to_pylist()
