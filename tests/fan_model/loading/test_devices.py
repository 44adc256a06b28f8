"""A device that is not there is said so before anything is loaded."""

import pytest
import torch

from fan_model.loading.devices import DeviceError, available_devices, check_device


def test_every_machine_has_a_cpu():
    assert available_devices()[0] == "cpu"
    check_device("cpu")


@pytest.mark.parametrize("device", ["xpu", "cuda:99", "gpu"])
def test_a_device_that_is_not_there_is_refused_with_those_that_are(device):
    with pytest.raises(DeviceError, match=f"the device {device} is not there: this machine has "):
        check_device(device)


def test_what_torch_finds_is_there(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    check_device("cuda")
    check_device("cuda:1")
    with pytest.raises(DeviceError, match="the device cuda:2 is not there: this machine has 2"):
        check_device("cuda:2")
