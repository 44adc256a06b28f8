"""What a peer draws: one request per target of the study, and the digests of its pictures."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from evaluation.peers.peer import Peer, PeerCase, PeerRequest
from evaluation.peers.shared_image_model import SharedImageModel
from evaluation.protocol.picture_store import Pictures
from evaluation.protocol.study import Study, StudyTarget
from fan_model.drawing.artist import ArtworkRequest


@dataclass(frozen=True)
class PeerPlan:
    """How a peer draws, and one request per target of the study."""

    peer: Peer
    image_model: SharedImageModel
    requests: tuple[PeerRequest, ...]
    digests: tuple[str, ...]
    """Of the pictures: a peer's picture of a prompt alone is anybody's picture of that prompt."""

    def take(self, places: Sequence[int]) -> "PeerPlan":
        """The plan for some of the targets."""
        return replace(
            self,
            requests=tuple(self.requests[place] for place in places),
            digests=tuple(self.digests[place] for place in places),
        )

    def is_blocked(self, place: int) -> bool:
        """Whether the text filter of today refuses what a target's picture is made of."""
        return self.image_model.artist.is_blocked(_texts_of(self.requests[place]))

    def draw(self, places: Sequence[int], pictures: Pictures) -> None:
        """Draw and keep the pictures of some of the targets, but for those with a blocked text."""
        artist = self.image_model.artist
        allowed = [place for place in places if not self.is_blocked(place)]
        drawn = self.peer.draw(self.image_model, [self.requests[place] for place in allowed])
        for place, painted in zip(allowed, drawn, strict=True):
            digest = self.digests[place]
            if isinstance(painted, Image.Image):
                pictures.keep(digest, artist.write_file(painted, digest, self.image_model.options))
            elif painted is None:
                pictures.keep(digest, b"")

    def features(self, places: Sequence[int]) -> NDArray[np.floating]:
        """`[places, w]` the unit mean of the tokens of personalized conditions."""
        condition = self.peer.condition(self.image_model, [self.requests[place] for place in places])
        return condition.vectors().unit_mean_tokens


def plan_peer(study: Study, peer: Peer) -> PeerPlan:
    """Ask a peer what each target's picture is made of."""
    image_model = SharedImageModel(study.artist, study.artist.complete(study.design.options))
    requests = tuple(peer.plan(make_case(study, target)) for target in study.targets)
    return PeerPlan(
        peer, image_model, requests, tuple(_digest(peer, image_model, request) for request in requests)
    )


def make_case(study: Study, target: StudyTarget) -> PeerCase:
    """All that a peer may know of one target and its user: nothing that is held out."""
    user = study.users[target.owner]
    return PeerCase(
        prompt=target.text,
        seed=target.seed,
        texts=user.offered.texts,
        weights=user.offered.weights,
        target=study.vectors_of([target.text]),
        vectors=study.vectors_of(user.offered.texts),
        disliked=user.disliked,
    )


def _digest(peer: Peer, image_model: SharedImageModel, request: PeerRequest) -> str:
    plain = ArtworkRequest(prompt=request.prompt, seed=request.seed)
    digest = image_model.artist.digest(plain, image_model.options)
    if request.is_plain:
        return digest
    made_of = [digest, peer.recipe, asdict(request)]
    return hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()


def _texts_of(request: PeerRequest) -> ArtworkRequest:
    """The request in the words of the text filter."""
    return ArtworkRequest(prompt=request.prompt, references=(*request.liked, *request.disliked))
