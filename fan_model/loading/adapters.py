"""House styles: LoRA, fused into the weights, and textual inversions, taught to the text encoders."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from diffusers import DiffusionPipeline
from safetensors.torch import load_file

from fan_model.loading.execution import ExecutionError, StyleAdapter
from fan_model.loading.quantizing import require_package

ENCODERS = {"clip_l": "", "clip_g": "_2"}
"""What files for SD XL call the vectors of each text encoder, and the ending of that one's name."""


def check_adapters(adapters: Sequence[StyleAdapter]) -> None:
    """Look whether the files are there and safe to load.

    Raises:
        ExecutionError: One is not there, or pickled.
    """
    for adapter in adapters:
        file = Path(adapter.path)
        if file.suffix != ".safetensors":
            raise ExecutionError(f"the adapter {file.name} is refused: it must be a .safetensors file")
        if not file.is_file():
            raise ExecutionError(f"the adapter {file} of model.adapters is not there: restore or remove it")


def adapt(pipeline: DiffusionPipeline, adapters: Sequence[StyleAdapter], *, quantized: bool) -> None:
    """Load adapters into a pipeline.

    Args:
        pipeline: As it was loaded.
        adapters: In the order in which they are applied.
        quantized: Whether weights are quantized; LoRA then stays beside them, which costs a little speed.

    Raises:
        ExecutionError: The pipeline takes no such adapter, or not this one.
    """
    for adapter in adapters:
        if adapter.kind == "textual_inversion":
            _teach(pipeline, adapter)
    loras = [adapter for adapter in adapters if adapter.kind == "lora"]
    if loras:
        _change_weights(pipeline, loras, quantized=quantized)


def _change_weights(
    pipeline: DiffusionPipeline, adapters: Sequence[StyleAdapter], *, quantized: bool
) -> None:
    require_package("peft", "a LoRA of model.adapters")
    _require(pipeline, "load_lora_weights", "LoRA")
    names = [f"adapter_{place}" for place in range(len(adapters))]
    for name, adapter in zip(names, adapters, strict=True):
        file = Path(adapter.path)
        try:
            pipeline.load_lora_weights(
                str(file.parent), weight_name=file.name, adapter_name=name, local_files_only=True
            )
        except (ValueError, KeyError, RuntimeError) as error:
            raise _unfit(pipeline, file) from error
    loaded = {name for each in pipeline.get_list_adapters().values() for name in each}
    unread = [adapter for name, adapter in zip(names, adapters, strict=True) if name not in loaded]
    if unread:
        raise _unfit(pipeline, Path(unread[0].path))
    pipeline.set_adapters(names, [adapter.strength for adapter in adapters])
    if not quantized:
        # Of all that they were loaded into: FLUX fuses its transformer alone where nothing is said.
        pipeline.fuse_lora(components=[*pipeline.get_list_adapters()], adapter_names=names)
        pipeline.unload_lora_weights()


def _teach(pipeline: DiffusionPipeline, adapter: StyleAdapter) -> None:
    _require(pipeline, "load_textual_inversion", "textual inversion")
    state, file = load_file(adapter.path), Path(adapter.path)
    if not ENCODERS.keys() & state.keys():
        _load_inversion(pipeline, state, adapter, "")
        return
    if adapter.token is None:
        raise ExecutionError(f"the adapter {file.name} does not say its word: name it with token")
    for key in ENCODERS.keys() & state.keys():
        _load_inversion(pipeline, {adapter.token: state[key]}, adapter, ENCODERS[key])


def _load_inversion(
    pipeline: DiffusionPipeline, state: Mapping[str, object], adapter: StyleAdapter, suffix: str
) -> None:
    encoder, tokenizer = (
        getattr(pipeline, f"{name}{suffix}", None) for name in ("text_encoder", "tokenizer")
    )
    try:
        pipeline.load_textual_inversion(state, token=adapter.token, text_encoder=encoder, tokenizer=tokenizer)
    except (ValueError, RuntimeError) as error:
        raise _unfit(pipeline, Path(adapter.path)) from error


def _require(pipeline: DiffusionPipeline, method: str, kind: str) -> None:
    if not hasattr(pipeline, method):
        raise ExecutionError(f"{type(pipeline).__name__} takes no {kind}: remove it from model.adapters")


def _unfit(pipeline: DiffusionPipeline, file: Path) -> ExecutionError:
    return ExecutionError(
        f"the adapter {file.name} does not fit {type(pipeline).__name__}: it was made for another model"
    )
