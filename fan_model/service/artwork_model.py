"""The model that MLflow loads: rows of a data frame in, pictures out. All its work is the artist's."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE, TEMPORARILY_UNAVAILABLE
from mlflow.pyfunc import PythonModel, PythonModelContext

from fan_model.drawing.artist import Artist
from fan_model.drawing.requests import DrawingOptions
from fan_model.request_errors import RequestError
from fan_model.service.deployment import Deployment, call_hook
from fan_model.service.messages.answers import tell
from fan_model.service.messages.request_rows import StoredProfiles, read_request
from fan_model.service.mlflow_server import answer_in_scoring_server


class ArtworkModel(PythonModel):
    """One picture per row; requests of a call are drawn in batches."""

    artist: Artist
    options: DrawingOptions
    stored_profiles: StoredProfiles | None

    def load_context(self, context: PythonModelContext) -> None:
        """Load the pipeline, carried inside or recorded by its id, and verify that it is the registered one.

        Raises:
            PipelineError: The files are not those that were registered.
            ScoringServerError: MLflow's server would answer by itself, without the service's limits.
        """
        config = context.model_config
        deployment = Deployment.from_config(config)
        self.artist = Artist.load(
            context.artifacts.get("pipeline") or config["pipeline"],
            revision=config["revision"],
            expected=config["checksums"],
            execution=deployment.execution,
            images=deployment.images,
            cache_bytes=deployment.cache_bytes,
            memory=Path(deployment.batch_memory) if deployment.batch_memory else None,
            limits=deployment.limits,
            text_filter=call_hook(deployment.text_filter),
        )
        self.options = deployment.options
        hook = deployment.stored_profiles
        self.stored_profiles = None if hook is None else call_hook(hook)
        answer_in_scoring_server(self.artist, deployment)

    def predict(
        self, context: PythonModelContext, model_input: pd.DataFrame, params: Mapping[str, Any] | None = None
    ) -> pd.DataFrame:
        """Draw the pictures that the rows ask for."""
        limits = self.artist.limits
        try:
            rows = map(_given, model_input.to_dict("records"))
            read = [read_request(row, limits, self.stored_profiles) for row in rows]
            options = limits.parse_options(params or {}, self.artist.sides, self.options)
            artworks = self.artist.draw([row.request for row in read], options)
        except RequestError as error:
            raise MlflowException(str(error), error_code=_error_code(error)) from None
        return pd.DataFrame([asdict(answer) for answer in tell(self.artist, artworks, read)])


def _given(row: Mapping[str, Any]) -> dict[str, Any]:
    """The cells that a row has: data frames fill gaps with NaN."""
    return {name: cell for name, cell in row.items() if not (pd.api.types.is_scalar(cell) and pd.isna(cell))}


def _error_code(error: RequestError) -> int:
    return INVALID_PARAMETER_VALUE if error.http_status < 500 else TEMPORARILY_UNAVAILABLE
