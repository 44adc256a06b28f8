"""ViPer: attributes that a user likes and dislikes, added to prompt and negative prompt by a strength.

Source: Salehi et al., "ViPer: Visual Personalization of Generative Models via Individual Preference
Learning", ECCV 2024, and the code that its authors published.

With c(.) the text encoder's condition, T the target, N the negative prompt of all pictures (empty by
default), V+ and V- the attributes liked and disliked, each list read as a text of its own, and beta the
strength, 0 to 1 (0.85 in the published code):

    c+ = c(T) + beta c(V+),    c- = c(N) + beta c(V-)

and the picture is drawn from c+, away from c-. Where nothing is guided there is no c-, and it is drawn from
the paper's sum of both, c(T) + beta (c(V+) - c(V-)). An empty list is the empty text; pooled states stay
those of T and N.

In the paper V+ and V- are written by a vision-language model from what people say of pictures. Here they are
found by comparing the texts of liked and of less liked items,

    d(k) = share of the liked items' weight with k  -  share of the less liked items with k,

V+ the 5 attributes of largest d > 0, V- the 5 of least d < 0, none of them a word of T, which must stay; or a
language model writes both lists from the same texts, and what it says of both is dropped, as in the paper.

Left out: pictures and comments as evidence, which logs do not have, and the paper's fine-tuned weights; the
chance order of the attributes, which come clearest first; and the published code's second look of the UNet
at each step, under V+ and V- without T, whose noise it adds times beta: a family is drawn with here by the
conditions that it takes, one of each kind.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from evaluation.peers.attributes import attribute_shares, words_of
from evaluation.peers.condition_mixing import add, join, refuse_unequal
from evaluation.peers.peer import Peer, PeerCase, PeerRequest
from evaluation.peers.rewriters import Rewriter, read_list
from evaluation.peers.shared_image_model import SharedImageModel
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

    strength: float = 0.85
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
        return f"ViPer, attributes added at strength {self.strength}"

    def unfit(self, image_model: SharedImageModel) -> str | None:
        """Say why it cannot draw with a model."""
        return refuse_unequal(image_model)

    def personalize(self, case: PeerCase) -> PeerRequest:
        """Find the attributes."""
        liked, disliked = self._ask(case) if self.rewriter else _compare(case)
        weights = (1 / len(liked),) * len(liked) if liked else ()
        return PeerRequest(
            prompt=case.prompt, seed=case.seed, liked=liked, weights=weights, disliked=disliked
        )

    def condition(self, image_model: SharedImageModel, requests: Sequence[PeerRequest]) -> Condition:
        """c+ of each request, or the sum of both where nothing is guided."""
        return join([self._towards(image_model, request) for request in requests])

    def negative(self, image_model: SharedImageModel, requests: Sequence[PeerRequest]) -> Condition:
        """c- of each request."""
        return join([self._away(image_model, request) for request in requests])

    def _towards(self, image_model: SharedImageModel, request: PeerRequest) -> Condition:
        target = image_model.encode([request.prompt])
        if request.is_plain:
            return target
        liked = _read(image_model, request.liked)
        if image_model.is_guided:
            return add(target, liked, [self.strength])
        return add(
            target, join([liked, _read(image_model, request.disliked)]), [self.strength, -self.strength]
        )

    def _away(self, image_model: SharedImageModel, request: PeerRequest) -> Condition:
        negative = image_model.encode_negative()
        if request.is_plain or not image_model.is_guided:
            return negative
        return add(negative, _read(image_model, request.disliked), [self.strength])

    def _ask(self, case: PeerCase) -> tuple[tuple[str, ...], tuple[str, ...]]:
        assert self.rewriter is not None
        liked = [text for text in case.texts if text not in case.disliked][:MAX_ITEMS]
        kinds = {"liked": liked, "disliked": case.disliked[:MAX_ITEMS]}
        listed = {name: "\n".join(f"- {text}" for text in texts) for name, texts in kinds.items()}
        answer = self.rewriter.answer(INSTRUCTION.format(**listed))
        likes, dislikes = (read_list(answer, name) for name in ("likes", "dislikes"))
        return _without(likes, dislikes)[:MAX_ATTRIBUTES], _without(dislikes, likes)[:MAX_ATTRIBUTES]


def _read(image_model: SharedImageModel, attributes: Sequence[str]) -> Condition:
    """The condition of one list of attributes."""
    return image_model.encode([", ".join(attributes)]) if attributes else image_model.encode_nothing()


def _without(attributes: Sequence[str], others: Sequence[str]) -> tuple[str, ...]:
    """The attributes that are not also among the others, however they are spelt."""
    said = {other.lower() for other in others}
    return tuple(attribute for attribute in attributes if attribute.lower() not in said)


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
