"""ViPer: attributes that a user likes and dislikes, in prompt and negative prompt, as strongly as wanted.

Source: Salehi et al., "ViPer: Visual Personalization of Generative Models via Individual Preference
Learning", ECCV 2024.

With c(.) the text encoder's condition, T the target, N the negative prompt of all pictures (empty by
default), V+ and V- the attributes liked and disliked, and beta the strength, 0 to 1:

    c+ = c(T) + beta (c(T, V+) - c(T)),    c- = c(N) + beta (c(N, V-) - c(N))

and the picture is drawn from c+, away from c-. In the paper V+ and V- are written by a vision-language model
from what people say of pictures. Here they are found by comparing the texts of liked and of less liked items,

    d(k) = share of the liked items' weight with k  -  share of the less liked items with k,

V+ the 5 attributes of largest d > 0, V- the 5 of least d < 0, none of them a word of T, which must stay; or a
language model writes both lists from the same texts.

Left out: pictures and comments as evidence, which logs do not have, and the paper's fine-tuned weights. Where
nothing is guided, nothing leads away from V-.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from evaluation.peers.attributes import attribute_shares, words_of
from evaluation.peers.condition_mixing import join, refuse_unequal, weigh
from evaluation.peers.easel import Easel
from evaluation.peers.peer import Peer, PeerCase, PeerRequest
from evaluation.peers.rewriters import Rewriter, read_list
from fan_model.encoders.conditions import Condition

RULE = "attributes compared by rule"
MAX_ATTRIBUTES = 5
MAX_ITEMS = 20
"""Shown to a language model, of each kind."""
INSTRUCTION = """\
Below are descriptions of items that a person likes, and of items that the person likes less.
Liked:
{liked}
Less liked:
{disliked}
Name visual attributes (styles, colours, moods, themes) that tell the first from the second. Answer with two
lines of at most five short attributes each, separated by commas:
likes: ...
dislikes: ..."""


@dataclass(frozen=True)
class Viper(Peer):
    """Liked and disliked attributes."""

    strength: float = 0.5
    """beta, 0 (the target only) to 1."""
    rewriter: Rewriter | None = None
    """A language model that writes the attributes; None: by rule."""

    @property
    def name(self) -> str:
        """What tables call it."""
        return f"ViPer ({self.rewriter.name if self.rewriter else RULE})"

    @property
    def calls_per_target(self) -> int:  # type: ignore[override]
        """One, where there is a language model."""
        return int(self.rewriter is not None)

    @property
    def recipe(self) -> str:
        """The strength; attributes are a part of the request."""
        return f"ViPer, strength {self.strength}"

    def unfit(self, easel: Easel) -> str | None:
        """Say why it cannot draw with a model."""
        return refuse_unequal(easel)

    def personalize(self, case: PeerCase) -> PeerRequest:
        """Find the attributes."""
        liked, disliked = self._ask(case) if self.rewriter else _compare(case)
        weights = (1 / len(liked),) * len(liked) if liked else ()
        return PeerRequest(
            prompt=case.prompt, seed=case.seed, liked=liked, weights=weights, disliked=disliked
        )

    def condition(self, easel: Easel, requests: Sequence[PeerRequest]) -> Condition:
        """c+ of each request."""
        return join([self._towards(easel, request) for request in requests])

    def negative(self, easel: Easel, requests: Sequence[PeerRequest]) -> Condition:
        """c- of each request."""
        return join([self._away(easel, request) for request in requests])

    def _towards(self, easel: Easel, request: PeerRequest) -> Condition:
        if not request.liked:
            return easel.encode([request.prompt])
        enhanced = ", ".join([request.prompt, *request.liked])
        return weigh(easel.encode([request.prompt, enhanced]), [1 - self.strength, self.strength])

    def _away(self, easel: Easel, request: PeerRequest) -> Condition:
        plain = easel.encode_negative()
        if not request.disliked or not easel.is_guided:
            return plain
        avoided = easel.encode_negative(", ".join(request.disliked))
        return weigh(join([plain, avoided]), [1 - self.strength, self.strength])

    def _ask(self, case: PeerCase) -> tuple[tuple[str, ...], tuple[str, ...]]:
        assert self.rewriter is not None
        liked = [text for text in case.texts if text not in case.disliked][:MAX_ITEMS]
        kinds = {"liked": liked, "disliked": case.disliked[:MAX_ITEMS]}
        listed = {name: "\n".join(f"- {text}" for text in texts) for name, texts in kinds.items()}
        answer = self.rewriter.answer(INSTRUCTION.format(**listed))
        likes, dislikes = (read_list(answer, name)[:MAX_ATTRIBUTES] for name in ("likes", "dislikes"))
        return likes, dislikes


def _compare(case: PeerCase) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The attributes that tell liked from less liked items, and the other way round, clearest first."""
    liked = {
        text: weight
        for text, weight in zip(case.texts, case.weights.tolist(), strict=True)
        if text not in case.disliked
    }
    likes = attribute_shares(list(liked), list(liked.values())) if liked else {}
    dislikes = attribute_shares(case.disliked, [1.0] * len(case.disliked)) if case.disliked else {}
    own = set(words_of(case.prompt))
    words = [word for word in {**likes, **dislikes} if word not in own]
    difference = {word: likes.get(word, 0.0) - dislikes.get(word, 0.0) for word in words}
    ordered = sorted(difference, key=lambda word: -difference[word])
    above = tuple(word for word in ordered if difference[word] > 0)
    below = tuple(word for word in reversed(ordered) if difference[word] < 0)
    return above[:MAX_ATTRIBUTES], below[:MAX_ATTRIBUTES]
