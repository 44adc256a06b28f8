"""A pipeline's own `encode_prompt`, with an attention that does what the current run says.

Templates, padding, dropped prefixes, chosen layers and masks are the pipeline's own code. Only its text
encoder is a stand-in, which runs one text at a time, and puts the states of its tokens where they belong.

Legend: n tokens, w width.
"""

import copy
import inspect
import threading
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any

import torch
from diffusers import DiffusionPipeline
from torch import Tensor
from transformers.modeling_outputs import BaseModelOutput

from fan_model.encoders.language_models import RUN, ForwardRun, LanguageModel, running
from fan_model.encoders.prompt_calls import PromptCall

NEGATIVE = "negative_"
COUNTING: ContextVar[bool] = ContextVar("counting", default=False)
"""Whether tokens are only counted in this thread: the text is tokenized whole, and nothing is encoded."""


class _CountedTokens(Exception):  # noqa: N818 - no error, it ends an encoding early
    """How many tokens of a text are beyond what the pipeline reads."""


class PromptReader:
    """Reads one text at a time; may be shared between threads."""

    def __init__(self, pipeline: DiffusionPipeline, how: PromptCall) -> None:
        self.model = LanguageModel(pipeline.text_encoder, is_causal=how.is_causal)
        self._how = how
        self._pipeline = copy.copy(pipeline)
        # Past the pipeline's own setter, which looks for the class of what it is given in its libraries.
        vars(self._pipeline)["text_encoder"] = _StandIn(pipeline.text_encoder, self.model, how.keeps_padding)
        vars(self._pipeline)["tokenizer"] = _LockedTokenizer(pipeline.tokenizer)
        self._arguments = _arguments(pipeline, how)

    @torch.no_grad()
    def read(self, text: str, run: ForwardRun) -> dict[str, Any]:
        """What `encode_prompt` gives for a text in a run, by the names that the pipeline's call takes."""
        with running(run):
            given = self._pipeline.encode_prompt([text], device=self.model.device, **self._arguments)
        return {name: value for name, value in self._named(given).items() if not name.startswith(NEGATIVE)}

    def count_unread(self, text: str) -> int:
        """How many tokens of a text the pipeline cuts off."""
        token = COUNTING.set(True)
        try:
            self.read(text, ForwardRun())
        except _CountedTokens as counted:
            return int(counted.args[0])
        finally:
            COUNTING.reset(token)
        return 0

    @torch.no_grad()
    def read_negative(self, text: str) -> dict[str, Any]:
        """What guidance leads away from, by the names of what leads towards."""
        if not self._how.encodes_negatives:
            return self.read(text, ForwardRun())
        guided = {"negative_prompt": [text], "do_classifier_free_guidance": True}
        with running(ForwardRun()):
            given = self._pipeline.encode_prompt(
                [""], device=self.model.device, **{**self._arguments, **guided}
            )
        named = self._named(given).items()
        return {name.removeprefix(NEGATIVE): value for name, value in named if name.startswith(NEGATIVE)}

    def _named(self, given: Any) -> dict[str, Any]:  # noqa: ANN401 - as many as the pipeline gives
        named = zip(self._how.outputs, given, strict=False)
        return {name: value for name, value in named if name is not None and value is not None}


def _arguments(pipeline: DiffusionPipeline, how: PromptCall) -> Mapping[str, object]:
    """What `encode_prompt` is told beside the prompt: as the pipeline's call tells it by default."""
    takes = inspect.signature(pipeline.encode_prompt).parameters
    call = inspect.signature(type(pipeline).__call__).parameters
    of_call = {name: call[name].default for name in how.from_call}
    unguided = {"do_classifier_free_guidance": False} if "do_classifier_free_guidance" in takes else {}
    return {**of_call, **unguided}


class _StandIn:
    """What `encode_prompt` finds in the place of the text encoder."""

    def __init__(self, encoder: torch.nn.Module, model: LanguageModel, keeps_padding: bool) -> None:
        self._encoder, self._model, self._keeps_padding = encoder, model, keeps_padding

    def __getattr__(self, name: str) -> object:
        return getattr(self._encoder, name)

    def __call__(
        self, input_ids: Tensor, attention_mask: Tensor | None = None, **_: object
    ) -> BaseModelOutput:
        """Hidden states of one text [1, n]; 0 at its padding where nobody reads that."""
        run = RUN.get()
        is_real = torch.ones_like(input_ids[0], dtype=torch.bool)
        is_real = is_real if attention_mask is None else attention_mask[0].bool()
        real = _extent(is_real)
        run.is_real = is_real
        is_empty = real.start == real.stop
        if is_empty or (self._keeps_padding and not run.records):
            return self._model.forward(input_ids, real)
        output = self._model.forward(input_ids[:, real], slice(0, real.stop - real.start))
        assert output.hidden_states is not None, "the stack was asked for them"
        states = [_put_back(one, real, len(is_real)) for one in output.hidden_states]
        return BaseModelOutput(last_hidden_state=states[-1], hidden_states=tuple(states))


def _extent(is_real: Tensor) -> slice:
    """Where a text stands among its padding [n]."""
    places = is_real.nonzero()[:, 0].tolist()
    return slice(places[0], places[-1] + 1) if places else slice(0, 0)


def _put_back(states: Tensor, real: slice, num_tokens: int) -> Tensor:
    """[1, n, w] with a text's states in their places, and 0 at its padding."""
    whole = states.new_zeros(1, num_tokens, states.shape[-1])
    whole[:, real] = states
    return whole


class _LockedTokenizer:
    """A tokenizer that one thread uses at a time: the fast ones keep their padding as state."""

    def __init__(self, tokenizer: Any) -> None:  # noqa: ANN401 - a tokenizer, or a processor with one
        vars(self).update(_tokenizer=tokenizer, _lock=threading.RLock())

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the tokenizer has
        value = getattr(self._tokenizer, name)
        return self._locked(value) if callable(value) else value

    def __setattr__(self, name: str, value: object) -> None:
        setattr(self._tokenizer, name, value)

    def __call__(self, *texts: object, **options: object) -> Any:  # noqa: ANN401
        """Tokenize."""
        return self._locked(self._tokenizer)(*texts, **options)

    def _locked(self, work: Callable[..., Any]) -> Callable[..., Any]:
        def under_lock(*arguments: object, **options: object) -> Any:  # noqa: ANN401
            with self._lock:
                if COUNTING.get() and options.get("truncation"):
                    raise _CountedTokens(_count_beyond(work, arguments, options))
                return work(*arguments, **options)

        return under_lock


def _count_beyond(
    tokenize: Callable[..., Any], arguments: tuple[object, ...], options: Mapping[str, object]
) -> int:
    """Tokens of the one text beyond what it would be cut to."""
    whole = tokenize(*arguments, **{**options, "truncation": False, "padding": False})
    tokens = whole["input_ids"] if isinstance(whole, Mapping) else whole
    return max(0, len(tokens[0]) - int(str(options["max_length"])))
