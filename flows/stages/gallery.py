"""The gallery: static pages of who got which picture, and from which references."""

import shutil
from itertools import groupby
from math import ceil
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from feature_store.lake.durable_files import write_durably
from feature_store.lake.lake import Lake
from feature_store.tables.published import read_pictures
from feature_store.tables.runs import RunRecord
from flows.settings import Settings
from flows.workspace import Workspace


def write_gallery(settings: Settings, lake: Lake, workspace: Workspace, night: RunRecord) -> Path:
    """Write the pages of the published night.

    Args:
        settings: how many users, and how many on a page.
        lake: what was published.
        workspace: where the pictures are and the pages go.
        night: what is noted of the run.

    Returns:
        The first page.
    """
    pictures = read_pictures(lake, max_users=settings.gallery.max_users)
    users = [(key, list(shown)) for key, shown in groupby(pictures, key=lambda picture: picture.user_key)]
    size = settings.gallery.users_per_page
    num_pages = max(1, ceil(len(users) / size))
    template = Environment(
        loader=PackageLoader("flows.stages", "."), autoescape=True, undefined=StrictUndefined
    ).get_template("gallery.html")
    aside = workspace.gallery.with_name(".gallery.tmp")
    shutil.rmtree(aside, ignore_errors=True)
    for page in range(1, num_pages + 1):
        shown = users[(page - 1) * size : page * size]
        html = template.render(users=shown, page=page, num_pages=num_pages, night=night, page_name=page_name)
        write_durably(aside / page_name(page), html.encode())
    _swap(aside, workspace.gallery)
    return workspace.gallery / page_name(1)


def page_name(page: int) -> str:
    """Name the file of a page, from 1."""
    return "index.html" if page == 1 else f"page-{page}.html"


def _swap(aside: Path, gallery: Path) -> None:
    """Put the new pages in the place of the old ones."""
    old = gallery.with_name(".gallery.old")
    shutil.rmtree(old, ignore_errors=True)
    if gallery.exists():
        gallery.rename(old)
    aside.rename(gallery)
    shutil.rmtree(old, ignore_errors=True)
