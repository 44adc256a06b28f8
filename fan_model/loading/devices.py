"""What torch can compute on here, and whether it has run out of memory there."""

import torch

MEMORY_RAN_OUT = (
    "out of memory",
    "not enough memory",
    "can't allocate memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
)
"""What allocators and libraries say that have no error of their own for it."""


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


def is_cpu(device: str) -> bool:
    """Whether a device, as torch spells it, is the CPU: `cpu`, or `cpu:0`."""
    return torch.device(device).type == "cpu"


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that a device, or the computer, has no memory left."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in MEMORY_RAN_OUT)
