"""What torch can compute on here."""

import torch


class DeviceError(ValueError):
    """The device is not there."""


def available_devices() -> list[str]:
    """Name the kinds of devices that are there, `cpu` first."""
    kinds = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    return ["cpu", *(kind for kind, is_there in kinds.items() if is_there)]


def check_device(device: str) -> None:
    """Look whether a device, as torch spells it, is there.

    Raises:
        DeviceError: if it is not, naming those that are.
    """
    kind, _, number = device.partition(":")
    if kind not in available_devices():
        raise DeviceError(
            f"the device {device} is not there: this machine has {', '.join(available_devices())}"
        )
    if kind == "cuda" and number and int(number) >= torch.cuda.device_count():
        raise DeviceError(f"the device {device} is not there: this machine has {torch.cuda.device_count()}")
