"""Language models that rewrite prompts, for the peers that have one; all of them optional.

What is sent to one is a target's text and texts of a history, never an id. An address is spoken to as
OpenAI's chat completions are.
"""

import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import httpx
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

MAX_TOKENS = 120
SECONDS_TO_WAIT = 60.0


class RewriterError(RuntimeError):
    """A language model that does not answer, or not with a text."""


class Rewriter(Protocol):
    """A language model."""

    @property
    def name(self) -> str:
        """What tables call it."""

    def answer(self, instruction: str) -> str:
        """Do what a text asks for.

        Raises:
            RewriterError: It does not answer.
        """


@dataclass(frozen=True)
class LocalRewriter:
    """A causal language model of transformers, in this process; it answers greedily, so always the same."""

    source: str
    """Folder, or id on the Hugging Face hub."""
    device: str = "cpu"

    @property
    def name(self) -> str:
        """The last part of the folder or id."""
        return Path(self.source).name

    def answer(self, instruction: str) -> str:
        """Do what a text asks for."""
        tokenizer, model = self._loaded
        inputs = tokenizer(self._wrap(instruction), return_tensors="pt").to(self.device)
        with torch.inference_mode():
            made = model.generate(
                **inputs, max_new_tokens=MAX_TOKENS, do_sample=False, pad_token_id=tokenizer.eos_token_id
            )
        answer: str = tokenizer.decode(made[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
        return answer

    def _wrap(self, instruction: str) -> str:
        """The instruction in the model's own template of a chat, where it has one."""
        tokenizer, _ = self._loaded
        if not tokenizer.chat_template:
            return instruction
        chat = [{"role": "user", "content": instruction}]
        wrapped: str = tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
        return wrapped

    @cached_property
    def _loaded(self) -> tuple[Any, Any]:
        try:
            tokenizer = AutoTokenizer.from_pretrained(self.source)
            model: Any = AutoModelForCausalLM.from_pretrained(self.source, use_safetensors=True)
        except (OSError, ValueError) as error:
            raise RewriterError(
                f"{self.source} is no causal language model of transformers: name the folder or the hub id "
                "of one in evaluation.rewriter.model"
            ) from error
        return tokenizer, model.to(self.device).eval()


@dataclass(frozen=True)
class RemoteRewriter:
    """A language model behind an address that speaks as OpenAI's does."""

    address: str
    """Up to and with the version, such as `http://localhost:8000/v1`."""
    model: str
    """What the address calls it."""
    key: str | None = field(default=None, repr=False)
    """Sent as a bearer token; None: nothing is."""

    @property
    def name(self) -> str:
        """What the address calls it."""
        return self.model

    def answer(self, instruction: str) -> str:
        """Do what a text asks for."""
        asked = {
            "model": self.model,
            "messages": [{"role": "user", "content": instruction}],
            "temperature": 0,
            "max_tokens": MAX_TOKENS,
        }
        headers = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        try:
            response = httpx.post(
                f"{self.address.rstrip('/')}/chat/completions",
                json=asked,
                headers=headers,
                timeout=SECONDS_TO_WAIT,
            )
            response.raise_for_status()
            answer = response.json()["choices"][0]["message"]["content"]
        except (httpx.HTTPError, ValueError, KeyError, IndexError, TypeError) as error:
            # The library's message may repeat the address with what is secret in it.
            raise RewriterError(
                f"the language model at evaluation.rewriter.address does not answer: {type(error).__name__}. "
                "Look at the address, the model's name and the key in the environment"
            ) from None
        return str(answer or "")


class Answers(Protocol):
    """Where answers are kept, so that a run that is carried on draws from the same prompts."""

    def read(self, key: str) -> str | None:
        """The answer of a key, None if there is none yet."""

    def keep(self, key: str, answer: str) -> None:
        """Keep an answer."""


@dataclass(frozen=True)
class RememberingRewriter:
    """A language model that is asked everything once."""

    rewriter: Rewriter
    answers: Answers

    @property
    def name(self) -> str:
        """That of the language model."""
        return self.rewriter.name

    def answer(self, instruction: str) -> str:
        """The kept answer, or a new one."""
        key = hashlib.sha256(f"{self.name}\x1f{instruction}".encode()).hexdigest()
        kept = self.answers.read(key)
        if kept is None:
            kept = self.rewriter.answer(instruction)
            self.answers.keep(key, kept)
        return kept


def first_line(answer: str) -> str:
    """The first line of an answer that says something, without quotes around it."""
    lines = (line.strip().strip("\"'`").strip() for line in answer.splitlines())
    return next((line for line in lines if any(letter.isalnum() for letter in line)), "")


def read_list(answer: str, name: str) -> tuple[str, ...]:
    """The parts of the line `name: a, b` of an answer; none if there is no such line."""
    split = (line.partition(":") for line in answer.splitlines())
    lines = {head.strip(" *-").lower(): rest for head, _, rest in split}
    parts = (part.strip(" .*\"'") for part in lines.get(name, "").split(","))
    return tuple(dict.fromkeys(part for part in parts if any(letter.isalnum() for letter in part)))
