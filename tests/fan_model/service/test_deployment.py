"""What a registered model's configuration says is read back as it was written."""

import pytest

from fan_model.drawing.limits import RequestLimits
from fan_model.drawing.requests import DrawingOptions
from fan_model.service.deployment import Deployment, DeploymentError


def test_a_deployment_is_read_back_as_it_was_written_and_other_keys_are_left_alone():
    written = Deployment(
        options=DrawingOptions(alpha=0.2, skip_layers=(0, 2)), limits=RequestLimits(max_rows=3)
    )
    assert Deployment.from_config(written.to_config() | {"pipeline": "somewhere"}) == written


@pytest.mark.parametrize("part", ["options", "limits"])
def test_a_model_of_another_version_is_refused_with_what_to_do(part):
    config = Deployment().to_config()
    config[part]["of_yesterday"] = 1
    with pytest.raises(DeploymentError, match="of_yesterday.*register it anew with `fan register`"):
        Deployment.from_config(config)
