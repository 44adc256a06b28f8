"""The gallery: static pages of who got which picture, of what, and why."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from math import ceil

from jinja2 import Environment, PackageLoader, StrictUndefined

from feature_store.history.population import scan_population
from feature_store.lake.lake import Lake
from feature_store.lake.stored_files import StoredFiles
from feature_store.tables.published import PublishedPicture, name_tastes, read_pictures
from feature_store.tables.runs import RunRecord
from flows.gallery.blind_matching import blind_matching
from flows.settings import Gallery, Settings
from flows.workspace import GALLERY, Workspace

ITEMS_PAGE = "items.html"
BLIND_PAGE = "blind.html"
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


def write_gallery(settings: Settings, lake: Lake, workspace: Workspace, night: RunRecord) -> str:
    """Write the pages of the published night.

    Args:
        settings: how many users and items, and how many on a page.
        lake: what was published.
        workspace: where the pictures are and the pages go.
        night: what is noted of the run.

    Returns:
        Where the first page is, as a browser reads it.
    """
    population = scan_population(lake, as_of=night.window_end, least_users=1, most=None)
    pictures = read_pictures(lake, max_users=settings.gallery.max_users)
    least_users, words = settings.crowd.least_users, settings.gallery.words
    pictures = name_tastes(lake, pictures, population, least_users=least_users, fields=words)
    links = _Links(workspace.files, settings.gallery.signed_hours if workspace.storage else None)
    pages = _write_pages(settings.gallery, pictures, night, links)
    # The first page last: until then the pages of before stand, and its links find no page missing.
    for name in sorted(pages, key=lambda name: name == page_name(1)):
        workspace.files.write(f"{GALLERY}/{name}", pages[name].encode())
    written = {f"{GALLERY}/{name}" for name in pages}
    workspace.files.delete([path for path in workspace.files.list(GALLERY) if path not in written])
    return links.to(f"{GALLERY}/{page_name(1)}") if links.hours else workspace.gallery


@dataclass(frozen=True)
class _Links:
    """How pages name pictures and one another."""

    files: StoredFiles
    hours: int | None
    """How long a link lets anybody in; None for relative links."""

    def to(self, path: str) -> str:
        """Write a link to a file from a page."""
        if self.hours:
            return self.files.link(path, seconds=3600 * self.hours)
        page = path.removeprefix(f"{GALLERY}/")
        return page if page != path else f"../{path}"


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


def _write_pages(
    gallery: Gallery, pictures: Sequence[PublishedPicture], night: RunRecord, links: _Links
) -> dict[str, str]:
    """Render every page, by the names of their files."""
    users = [(key, list(shown)) for key, shown in groupby(pictures, key=lambda picture: picture.user_key)]
    size = gallery.users_per_page
    num_pages = max(1, ceil(len(users) / size))
    environment = Environment(
        loader=PackageLoader("flows.gallery", "."), autoescape=True, undefined=StrictUndefined
    )
    of_users, of_items, blind = (
        environment.get_template(f"{what}.html") for what in ("of_users", "of_items", "blind")
    )
    shared = {
        "num_pages": num_pages,
        "night": night,
        "link": links.to,
        "page_link": lambda page: links.to(f"{GALLERY}/{page_name(page)}"),
        "items_link": links.to(f"{GALLERY}/{ITEMS_PAGE}"),
        "blind_link": links.to(f"{GALLERY}/{BLIND_PAGE}"),
    }
    items = choose_items(pictures, gallery)
    matchings = [found for item in items if (found := blind_matching(item.pictures, links.files))]
    pages = {
        page_name(page): of_users.render(
            users=users[(page - 1) * size : page * size], page=page, here=None, **shared
        )
        for page in range(1, num_pages + 1)
    }
    return pages | {
        ITEMS_PAGE: of_items.render(items=items, page=None, here=ITEMS_PAGE, **shared),
        BLIND_PAGE: blind.render(matchings=matchings, page=None, here=BLIND_PAGE, **shared),
    }
