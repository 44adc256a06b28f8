"""Where the program begins. The wheel by itself brings the library only: nothing here needs an extra."""

import sys

OWN_PACKAGES = {"evaluation", "fan_model", "feature_store", "flows", "recsys_adapters"}
FOR_CLUSTERS = {"boto3", "duckdb_extension_httpfs", "obstore", "psycopg2", "ray"}
"""What only nights of several machines, or on a PostgreSQL catalogue, import."""
STUDIO = "fan_model.studio"
"""A distribution of its own: nobody needs it who draws with the model that it made."""


def main() -> None:
    """Run the command line; what is not installed is one line that says how to get it, and exit code 1."""
    try:
        from flows.cli.program import run

        run()
    except ModuleNotFoundError as error:
        advice = _how_to_get(error.name or "")
        if advice is None:
            raise
        sys.exit(f"fan: {advice}")


def _how_to_get(module: str) -> str | None:
    if module == STUDIO or module.startswith(f"{STUDIO}."):
        return "the studio is a distribution of its own: `pip install fan-artwork-studio`"
    if module.split(".")[0] in OWN_PACKAGES:
        return None
    extra = "cluster" if module in FOR_CLUSTERS else "nightly"
    return (
        f"{module} is not installed: `pip install 'fan-artwork[{extra}]'` brings all that the commands need"
    )
