"""The model that MLflow loads: rows of a data frame in, pictures out. All its work is the artist's."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.models import set_model
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE
from mlflow.pyfunc import PythonModel, PythonModelContext

from fan_model.artist import Artist
from fan_model.requests import RequestError, parse_options, parse_request

LOADING = ("device", "bank_bytes", "batch_size")
"""Settings of `Artist.load` that a process may choose for itself."""


class ArtworkModel(PythonModel):
    """One picture per row; requests of a call are drawn in batches."""

    artist: Artist

    def load_context(self, context: PythonModelContext) -> None:
        """Load the pipeline, carried inside or recorded by its id, and verify that it is the registered one.

        Raises:
            ValueError: The files are not those that were registered.
        """
        config = context.model_config
        pipeline = context.artifacts.get("pipeline") or config["pipeline"]
        settings = {name: config[name] for name in LOADING if name in config}
        self.artist = Artist.load(pipeline, revision=config["revision"], **settings)
        if self.artist.pipeline_revision != config["pipeline_revision"]:
            raise ValueError(
                f"the pipeline's checksum is {self.artist.pipeline_revision}, registered was "
                f"{config['pipeline_revision']}; restore its files or register it anew"
            )

    def predict(
        self, context: PythonModelContext, model_input: pd.DataFrame, params: Mapping[str, Any] | None = None
    ) -> pd.DataFrame:
        """Draw the pictures that the rows ask for."""
        try:
            requests = [parse_request(_given(row)) for row in model_input.to_dict("records")]
            artworks = self.artist.draw(requests, parse_options(_by_our_names(params or {})))
        except RequestError as error:
            raise MlflowException(str(error), error_code=INVALID_PARAMETER_VALUE) from None
        return pd.DataFrame([asdict(artwork) for artwork in artworks])


def _given(row: Mapping[str, Any]) -> dict[str, Any]:
    """The cells that a row has: data frames fill gaps with NaN, and turn integers beside a gap to floats."""
    cells = {name: cell for name, cell in row.items() if not (pd.api.types.is_scalar(cell) and pd.isna(cell))}
    seed = cells.get("seed")
    return {**cells, "seed": int(seed)} if isinstance(seed, float) and seed.is_integer() else cells


def _by_our_names(params: Mapping[str, Any]) -> dict[str, Any]:
    return {"image_format" if name == "format" else name: value for name, value in params.items()}


set_model(ArtworkModel())
