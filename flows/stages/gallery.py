"""The gallery: static pages of who got which picture, of what, and why."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from math import ceil
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from feature_store.history.population import scan_population
from feature_store.lake.durable_files import write_durably
from feature_store.lake.lake import Lake
from feature_store.tables.published import PublishedPicture, name_tastes, read_pictures
from feature_store.tables.runs import RunRecord
from flows.settings import Gallery, Settings
from flows.workspace import Workspace

ITEMS_PAGE = "items.html"
LEAST_USERS = 2
"""Of an item on the page of items: one picture has nothing to be compared with."""


@dataclass(frozen=True)
class ItemOfMany:
    """An item, and the pictures that several users got of it, the most visibly different first."""

    pictures: Sequence[PublishedPicture]

    @property
    def first(self) -> PublishedPicture:
        """Any of them: item and plain picture are the same for all."""
        return self.pictures[0]

    @property
    def visible_change(self) -> float:
        """Mean of the pictures'."""
        return sum(map(_change, self.pictures)) / len(self.pictures)


def write_gallery(settings: Settings, lake: Lake, workspace: Workspace, night: RunRecord) -> Path:
    """Write the pages of the published night.

    Args:
        settings: how many users and items, and how many on a page.
        lake: what was published.
        workspace: where the pictures are and the pages go.
        night: what is noted of the run.

    Returns:
        The first page.
    """
    population = scan_population(lake, as_of=night.window_end, least_users=settings.crowd.least_users)
    pictures = read_pictures(lake, max_users=settings.gallery.max_users)
    pictures = name_tastes(lake, pictures, population, fields=settings.gallery.words)
    aside = workspace.gallery.with_name(".gallery.tmp")
    shutil.rmtree(aside, ignore_errors=True)
    for name, html in _write_pages(settings.gallery, pictures, night).items():
        write_durably(aside / name, html.encode())
    _swap(aside, workspace.gallery)
    return workspace.gallery / page_name(1)


def page_name(page: int) -> str:
    """Name the file of a page of users, from 1."""
    return "index.html" if page == 1 else f"page-{page}.html"


def choose_items(pictures: Sequence[PublishedPicture], gallery: Gallery) -> list[ItemOfMany]:
    """Choose the items that several users have personal pictures of.

    Those of most users come first, as far as their pictures are shown, and of these the most visibly
    different.
    """
    personal = sorted((one for one in pictures if one.is_personal), key=lambda one: one.item_id)
    groups = (list(shown) for _, shown in groupby(personal, key=lambda one: one.item_id))
    items = [
        ItemOfMany(sorted(shown, key=_change, reverse=True)[: gallery.users_per_item])
        for shown in groups
        if len(shown) >= LEAST_USERS
    ]
    items.sort(key=lambda item: (len(item.pictures), item.visible_change), reverse=True)
    return items[: gallery.max_items]


def _change(picture: PublishedPicture) -> float:
    return picture.visible_change or 0.0


def _write_pages(gallery: Gallery, pictures: Sequence[PublishedPicture], night: RunRecord) -> dict[str, str]:
    """Render every page, by the names of their files."""
    users = [(key, list(shown)) for key, shown in groupby(pictures, key=lambda picture: picture.user_key)]
    size = gallery.users_per_page
    num_pages = max(1, ceil(len(users) / size))
    environment = Environment(
        loader=PackageLoader("flows.stages", "."), autoescape=True, undefined=StrictUndefined
    )
    of_users, of_items = (environment.get_template(f"gallery_of_{what}.html") for what in ("users", "items"))
    shared = {"num_pages": num_pages, "night": night, "page_name": page_name, "items_page": ITEMS_PAGE}
    pages = {
        page_name(page): of_users.render(users=users[(page - 1) * size : page * size], page=page, **shared)
        for page in range(1, num_pages + 1)
    }
    return pages | {ITEMS_PAGE: of_items.render(items=choose_items(pictures, gallery), page=None, **shared)}


def _swap(aside: Path, gallery: Path) -> None:
    """Put the new pages in the place of the old ones."""
    old = gallery.with_name(".gallery.old")
    shutil.rmtree(old, ignore_errors=True)
    if gallery.exists():
        gallery.rename(old)
    aside.rename(gallery)
    shutil.rmtree(old, ignore_errors=True)
