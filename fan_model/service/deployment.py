"""How a registered model is to be run: what its configuration says beside which pipeline it is."""

import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, TypeVar

from pydantic import ValidationError

from fan_model.drawing.limits import RequestLimits
from fan_model.drawing.requests import DrawingOptions
from fan_model.drawing.text_filter import DEFAULT_TEXT_FILTER
from fan_model.loading.execution import Execution
from fan_model.loading.picture_input import PictureInput

T = TypeVar("T")

Hook = Mapping[str, Any]
"""`factory`, a callable as `package.module:name`, and the keyword arguments that it is called with."""


class DeploymentError(ValueError):
    """A model's configuration cannot be read."""


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """Settings that are registered with a model, and that a process may override when it loads it."""

    execution: Execution = Execution()
    """How the model is run: devices, number types, kernels."""
    images: PictureInput | None = None
    """What lets the pipeline look at pictures, where it cannot by itself and is to."""
    cache_bytes: int = 128 * 2**20
    """Memory that recorded references may take."""
    batch_memory: str | None = None
    """File that remembers how many pictures fit into which device; None: each process finds out anew."""
    max_queued_pictures: int = 64
    """Pictures that the service may owe at a time; more are refused with 429."""
    max_wait_seconds: float = 50.0
    """How long a caller may be kept waiting; in MLflow's server no longer than its `--timeout`."""
    tokens_file: str | None = None
    """File of the tokens that callers need; None if they need none."""
    caller_header: str | None = None
    """Header in which a gateway says who asks: callers take turns by it, else by address."""
    options: DrawingOptions = DrawingOptions()
    """How pictures are drawn where a caller does not say."""
    limits: RequestLimits = RequestLimits()
    """What requests may ask for."""
    text_filter: Hook = field(default_factory=lambda: {"factory": DEFAULT_TEXT_FILTER})
    """Makes the filter of texts: a callable that says whether a text is blocked."""
    stored_profiles: Hook | None = None
    """Makes the lookup of users' stored profiles; None if there is no workspace to read them from."""
    stored_pictures: Hook | None = None
    """Makes the lookup of the pictures that nights have drawn; likewise."""

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "Deployment":
        """Read it from a model's configuration, where other keys may stand beside it.

        Raises:
            DeploymentError: The model was registered by a version with other options or limits.
        """
        known = {name: config[name] for name in cls.__dataclass_fields__ if name in config}
        known["options"] = _read(DrawingOptions, known.get("options", {}))
        known["limits"] = _read(RequestLimits, known.get("limits", {}))
        known["execution"] = _read(Execution, known.get("execution", {}))
        images = known.get("images")
        known["images"] = _read(PictureInput, images) if images else None
        return cls(**known)

    def to_config(self) -> dict[str, Any]:
        """Write it as plain values, for a model's configuration."""
        values = asdict(self)
        options = values["options"]
        # YAML has no tuples.
        options |= {name: list(value) for name, value in options.items() if isinstance(value, tuple)}
        images = self.images and self.images.model_dump(mode="json")
        return values | {"execution": self.execution.model_dump(mode="json"), "images": images}


def _read(kind: type[T], values: Mapping[str, Any]) -> T:
    plain = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
    try:
        return kind(**plain)
    except ValidationError as error:
        unfit = ", ".join(str(each["loc"][0]) for each in error.errors())
        raise DeploymentError(
            f"the registered model does not suit this version of the project ({kind.__name__}: {unfit}): "
            "register it anew with `fan register`"
        ) from error


def call_hook(hook: Hook) -> Callable[..., Any]:
    """Import a hook's factory, call it, and return the callable that it makes.

    Raises:
        ValueError: The hook names no factory.
        ImportError: Its module cannot be imported.
    """
    arguments = dict(hook)
    try:
        factory: Callable[..., Callable[..., Any]] = pkgutil.resolve_name(arguments.pop("factory"))
    except (KeyError, AttributeError) as error:
        raise ValueError("a hook must name a factory as package.module:name, which exists") from error
    return factory(**arguments)
