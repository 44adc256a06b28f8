"""Tailored Visions: the prompt rewritten from the user's three closest past prompts.

Source: Chen et al., "Tailored Visions: Enhancing Text-to-Image Generation with Personalized Prompt
Rewriting", CVPR 2024, and the code that its authors published.

With Q the user's past prompts (here: the texts of liked items), T the new one and L a language model,

    R = the 3 of Q closest to T, by BM25 or by the text encoder's embedding,    T' = L(T, R),    picture of T'

Without a language model T' is T with the attributes of R that it has not, those of most of R first: the
rule-based merge, which the method's name then says.

Left out: examples of rewritten prompts in the instruction, which are made of the paper's own data set: this
is its context-independent rewriting. Past prompts that nearly repeat an earlier one (by BLEU) are not dropped
before the three are found, for each item stands in a history once. The embedding is the mean of the text
encoder's tokens in place of CLIP's pooled state, and BM25 has the usual constants. The instruction is this
project's own wording, with the published limit of words.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from evaluation.peers.attributes import add_attributes, attributes_of, words_of
from evaluation.peers.peer import Peer, PeerCase, PeerRequest
from evaluation.peers.rewriters import Rewriter, first_line
from evaluation.protocol.selection import select_bm25, select_similar
from fan_model.drawing.texts import MAX_CHARACTERS

RULE = "rule-based merge"
NUM_RETRIEVED = 3
MAX_ATTRIBUTES = 8
INSTRUCTION = """\
You adapt a prompt for a text-to-image model to the taste of the person who wrote it.
Prompts that the person wrote before:
{past}
The new prompt: {prompt}
Keep what the new prompt shows. Add the looks, styles and themes that the earlier prompts have in common and
that suit it. Answer with the adapted prompt alone, on one line, in at most 70 words."""


@dataclass(frozen=True)
class TailoredVisions(Peer):
    """Prompt rewriting after retrieval."""

    rewriter: Rewriter | None = None
    """The language model; None for the rule-based merge."""
    retrieval: Literal["bm25", "embedding"] = "embedding"
    """How the closest past prompts are found."""
    max_characters: int = MAX_CHARACTERS
    """Of a prompt."""

    @property
    def name(self) -> str:
        """What tables call it."""
        return f"Tailored Visions ({self.rewriter.name if self.rewriter else RULE})"

    @property
    def calls_per_target(self) -> int:  # type: ignore[override]
        """One, where there is a language model."""
        return int(self.rewriter is not None)

    @property
    def recipe(self) -> str:
        """The name alone: a rewritten prompt is a part of the request."""
        return self.name

    def personalize(self, case: PeerCase) -> PeerRequest:
        """Rewrite the prompt."""
        past = [case.texts[place] for place in self._retrieve(case)]
        prompt = self._rewrite(case.prompt, past) if self.rewriter else self._merge(case.prompt, past)
        return PeerRequest(prompt=prompt, seed=case.seed)

    def _retrieve(self, case: PeerCase) -> Sequence[int]:
        if self.retrieval == "bm25":
            return select_bm25(case.prompt, case.texts, NUM_RETRIEVED).tolist()
        likeness = case.vectors.unit_mean_tokens @ case.target.unit_mean_tokens[0]
        return select_similar(np.asarray(likeness), NUM_RETRIEVED).tolist()

    def _merge(self, prompt: str, past: Sequence[str]) -> str:
        known = set(words_of(prompt))
        counts = Counter(word for text in past for word in attributes_of(text) if word not in known)
        common = [attribute for attribute, _ in counts.most_common(MAX_ATTRIBUTES)]
        return add_attributes(prompt, common, self.max_characters)

    def _rewrite(self, prompt: str, past: Sequence[str]) -> str:
        assert self.rewriter is not None
        listed = "\n".join(f"- {text}" for text in past)
        answer = self.rewriter.answer(INSTRUCTION.format(past=listed, prompt=prompt))
        return first_line(answer)[: self.max_characters] or prompt
