"""What MLflow runs to make the registered model; the rest of its code is the installed package's."""

from mlflow.models import set_model

from fan_model.service.artwork_model import ArtworkModel

set_model(ArtworkModel())
