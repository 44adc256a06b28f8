"""PMG: keywords of the user's most recent items, weighted, in the prompt.

Source: Shen et al., "PMG: Personalized Multimodal Generation with Large Language Models", WWW 2024, and the
code that its authors published.

With the M = 10 most recent items i of a user, their preference strengths W_i and keywords K(i), the prompt is
the target's own keywords, which are its text T, and behind them the user's, heaviest first:

    s(k) = sum_i W_i [k in K(i)] / sum_i W_i,    prompt = T, k_1, ..., k_m,    s(k_1) >= ... >= s(k_m) >= 0.2

with m at most 8, as many as the published code asks for.

Left out: the language model that makes keywords of behaviours; the soft preference embeddings beside the
keywords, which need the paper's trained weights; its search for the balance of both kinds of keywords, which
writes the user's once to three times, draws each prompt and takes the picture that a CLIP likes best: that is
the judge's task here, and no method may see the judge, so each stands once; and its negative prompts, one for
each kind of picture, for all methods have the study's.

In the language model's place a text's attributes are its keywords, by rule, and shares of preference say
which matter. That needs more items than a language model is shown (in the published code the last 5 garments,
or the 3 films of the highest and latest ratings), hence 10.
"""

from dataclasses import dataclass

from evaluation.peers.attributes import add_attributes, attribute_shares, words_of
from evaluation.peers.peer import Peer, PeerCase, PeerRequest
from fan_model.drawing.texts import MAX_CHARACTERS

NUM_RECENT = 10
MAX_KEYWORDS = 8
LEAST_SHARE = 0.2
"""A keyword of fewer items says nothing of a taste."""


@dataclass(frozen=True)
class Pmg(Peer):
    """Preference keywords in the prompt."""

    max_characters: int = MAX_CHARACTERS
    """Of a prompt."""

    @property
    def name(self) -> str:
        """What tables call it."""
        return "PMG (keywords only)"

    def personalize(self, case: PeerCase) -> PeerRequest:
        """Write the heaviest keywords behind the prompt."""
        known = set(words_of(case.prompt))
        shares = attribute_shares(case.texts[:NUM_RECENT], case.weights[:NUM_RECENT].tolist())
        heavy = [word for word, share in shares.items() if share >= LEAST_SHARE and word not in known]
        prompt = add_attributes(case.prompt, heavy[:MAX_KEYWORDS], self.max_characters)
        return PeerRequest(prompt=prompt, seed=case.seed)
