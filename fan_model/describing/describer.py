"""A vision-language model that says how pictures look."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor, BatchFeature, ProcessorMixin
from transformers.generation import GenerationMixin

from fan_model.describing.description_options import DescriptionOptions
from fan_model.describing.model_folder import DescriberError
from fan_model.describing.phrases import clean_phrases
from fan_model.loading.devices import check_device, is_out_of_memory

SILENT = "the model says nothing of it"
UNREADABLE_TO_MODEL = "the model cannot read it"


@dataclass(frozen=True, kw_only=True)
class Description:
    """What a model says of a picture, or why it says nothing: one of the two."""

    style: str | None = None
    """Phrases, joined by commas."""
    reason: str | None = None


class Describer:
    """A vision-language model; it answers greedily, so always the same.

    Args:
        model: One of transformers' models from images and text to text, in evaluation mode.
        processor: Its processor.
        options: What it is asked, and how much is kept of its answers.
    """

    def __init__(
        self, model: GenerationMixin, processor: ProcessorMixin, options: DescriptionOptions
    ) -> None:
        self._model: Any = model
        self._processor: Any = processor
        self._options = options
        self._batch_size = options.batch_size
        self._pad_before_prompts()

    @classmethod
    def from_folder(cls, folder: Path, options: DescriptionOptions) -> "Describer":
        """Load a model from its folder; nothing is fetched, and no code of the folder is run.

        Raises:
            DescriberError: It is no model from images and text to text.
            DeviceError: The device is not there.
        """
        check_device(options.device)
        try:
            processor = AutoProcessor.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
            model: Any = AutoModelForImageTextToText.from_pretrained(
                folder,
                dtype=getattr(torch, options.dtype),
                local_files_only=True,
                use_safetensors=True,
                trust_remote_code=False,
            )
        except ImportError as error:
            missing = next((line for line in str(error).splitlines() if line.strip()), "")
            raise DescriberError(f"{folder} needs what is not installed: {missing}") from error
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            raise DescriberError(
                f"{folder} holds no model from images and text to text that transformers can load "
                f"({type(error).__name__}): name another as describe.model"
            ) from error
        describer = cls(model.to(options.device).eval(), processor, options)
        describer.try_out(folder)
        return describer

    def try_out(self, folder: Path) -> None:
        """Describe a plain picture, so that a model that reads none does not refuse all of a catalogue.

        Raises:
            DescriberError: It fails.
        """
        plain = Image.new("RGB", (self._options.longest_side,) * 2, "gray")
        if (reason := self.describe([plain])[0].reason) not in (None, SILENT):
            raise DescriberError(f"{folder}: {reason}, whatever the picture: name another as describe.model")

    def _pad_before_prompts(self) -> None:
        """An answer follows the last token of its prompt."""
        tokenizer = getattr(self._processor, "tokenizer", None)
        if tokenizer is not None:
            tokenizer.padding_side = "left"
            if tokenizer.pad_token is None:
                tokenizer.pad_token = tokenizer.eos_token

    def describe(self, images: Sequence[Image.Image]) -> list[Description]:
        """Describe pictures, in their order; one that the model cannot read costs only itself.

        Raises:
            DescriberError: Memory does not even last for a single picture.
        """
        seen = [self._scale(image) for image in images]
        described: list[Description] = []
        while len(described) < len(seen):
            described += self._describe_some(seen[len(described) :][: self._batch_size])
        return described

    def _scale(self, image: Image.Image) -> Image.Image:
        """The picture as the model sees it: RGB, its longer side no longer than may be."""
        scaled = image.convert("RGB")
        scaled.thumbnail((self._options.longest_side,) * 2, Image.Resampling.BICUBIC)
        return scaled

    def _describe_some(self, images: Sequence[Image.Image]) -> list[Description]:
        """Describe a batch; where memory runs out nothing of it, and from then on smaller batches."""
        try:
            return self._describe_batch(images)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            if len(images) == 1:
                raise DescriberError(
                    "memory does not last for one picture: lower describe.longest_side, or name another "
                    "describe.dtype or describe.model"
                ) from error
            self._batch_size = len(images) // 2
            return []

    def _describe_batch(self, images: Sequence[Image.Image]) -> list[Description]:
        try:
            return [self._read(answer) for answer in self.answer(images)]
        except torch.AcceleratorError:
            raise
        except (ValueError, TypeError, LookupError, RuntimeError) as error:
            if is_out_of_memory(error):
                raise
            # A model's own processing fails in its own way, for example of a picture that is too narrow.
            if len(images) == 1:
                return [Description(reason=f"{UNREADABLE_TO_MODEL} ({type(error).__name__})")]
        return [described for image in images for described in self._describe_batch([image])]

    def _read(self, answer: str) -> Description:
        options = self._options
        style = clean_phrases(answer, most=options.max_phrases, longest=options.max_characters)
        return Description(style=style) if style else Description(reason=SILENT)

    @torch.inference_mode()
    def answer(self, images: Sequence[Image.Image]) -> list[str]:
        """What the model says of each picture of a batch, word for word."""
        inputs = self._inputs(images).to(self._options.device, dtype=getattr(torch, self._options.dtype))
        made: torch.Tensor = self._model.generate(
            **inputs, max_new_tokens=self._options.max_new_tokens, do_sample=False, num_beams=1
        )
        answers: list[str] = self._processor.batch_decode(_new(made, inputs), skip_special_tokens=True)
        return answers

    def _inputs(self, images: Sequence[Image.Image]) -> BatchFeature:
        """The prompt about each picture, in the model's own template of a chat where it has one."""
        how = {"padding": True, "return_tensors": "pt"}
        inputs: BatchFeature
        if self._processor.chat_template:
            chats = [[{"role": "user", "content": self._content(image)}] for image in images]
            inputs = self._processor.apply_chat_template(
                chats, add_generation_prompt=True, tokenize=True, return_dict=True, processor_kwargs=how
            )
        else:
            prompt = f"{getattr(self._processor, 'image_token', '')}{self._options.prompt}"
            inputs = self._processor(images=[*images], text=[prompt] * len(images), **how)
        return inputs

    def _content(self, image: Image.Image) -> list[dict[str, Any]]:
        return [{"type": "image", "image": image}, {"type": "text", "text": self._options.prompt}]


def _new(made: torch.Tensor, inputs: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """The tokens of answers `[b, n]` alone: a decoder repeats its prompt before them, others do not."""
    prompts = inputs["input_ids"]
    num_tokens = prompts.shape[1]
    repeats = made.shape[1] >= num_tokens and torch.equal(made[:, :num_tokens], prompts)
    return made[:, num_tokens:] if repeats else made
