"""The other methods of an evaluation, made from the settings: rewriters, the adapter, what is left out."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from evaluation.peers.drum import Drum
from evaluation.peers.drum_adapter import AdapterFileError, load_adapter
from evaluation.peers.fabric import Fabric
from evaluation.peers.mean_of_conditions import MeanOfConditions, OneCondition
from evaluation.peers.peer import Peer
from evaluation.peers.pmg import Pmg
from evaluation.peers.rewriters import LocalRewriter, RememberingRewriter, RemoteRewriter, Rewriter
from evaluation.peers.shared_image_model import SharedImageModel
from evaluation.peers.tailored_visions import TailoredVisions
from evaluation.peers.viper import Viper
from fan_model.bundled import ADAPTER_FILE
from fan_model.drawing.artist import Artist
from feature_store.lake.durable_files import write_durably
from flows.model.adapter_training import adapter_path
from flows.model.served_model import drawing_options
from flows.settings import Settings, rewriter_key
from flows.workspace import Workspace

NO_ADAPTER = "there is no adapter of this model's text encoder: train one with `fan train-adapter`"


@dataclass(frozen=True)
class AnswerFiles:
    """A language model's answers, a file each.

    They lie among the pictures that are drawn of them, and are erased together with these.
    """

    folder: Path

    def read(self, key: str) -> str | None:
        """Read a kept answer."""
        path = self.folder / f"{key}.txt"
        return path.read_text(encoding="utf-8") if path.exists() else None

    def keep(self, key: str, answer: str) -> None:
        """Keep an answer, and leave nothing half-written."""
        write_durably(self.folder / f"{key}.txt", answer.encode())


@dataclass(frozen=True)
class PeerMethods:
    """Which of the other methods can draw with a model."""

    fit: Mapping[str, Peer]
    """By their names."""
    left_out: Mapping[str, str]
    """Why the others cannot, by their names."""


def peer_names(settings: Settings) -> list[str]:
    """Name the other methods that the settings ask for, whether or not they can draw with the model."""
    if not settings.evaluation.peers:
        return []
    return [Drum.title, *(peer.name for peer in _make_peers(settings))]


def open_peers(settings: Settings, artist: Artist) -> PeerMethods:
    """Make the other methods, and find out which of them can draw with a model."""
    if not settings.evaluation.peers:
        return PeerMethods({}, {})
    drum = _open_drum(settings, artist)
    peers = [drum, *_make_peers(settings)] if drum else _make_peers(settings)
    image_model = SharedImageModel(artist, artist.complete(drawing_options(settings, num_references=None)))
    reasons = {peer.name: peer.unfit(image_model) for peer in peers}
    left_out = {name: reason for name, reason in reasons.items() if reason}
    return PeerMethods(
        {peer.name: peer for peer in peers if peer.name not in left_out},
        left_out if drum else {Drum.title: NO_ADAPTER, **left_out},
    )


def _make_peers(settings: Settings) -> list[Peer]:
    """The methods that need no weights of their own."""
    alpha, policy, longest = (
        settings.drawing.alpha,
        settings.profile,
        settings.serving.limits.max_characters,
    )
    rewriter = _open_rewriter(settings)
    return [
        TailoredVisions(rewriter, max_characters=longest),
        Pmg(max_characters=longest),
        Fabric(),
        Viper(rewriter=rewriter),
        MeanOfConditions(alpha, policy),
        OneCondition(alpha, policy),
    ]


def _open_drum(settings: Settings, artist: Artist) -> Drum | None:
    """DrUM with the adapter that was trained here, or with the bundled one; None if neither fits."""
    trained = adapter_path(settings, artist.encoder_fingerprint)
    for file in (trained, ADAPTER_FILE):
        try:
            adapter, origin = load_adapter(file, artist.encoder_fingerprint)
        except AdapterFileError:
            continue
        return Drum(settings.drawing.alpha, adapter, origin, settings.profile)
    return None


def _open_rewriter(settings: Settings) -> Rewriter | None:
    """The language model of the settings, which is asked everything once; None if they name none."""
    chosen = settings.evaluation.rewriter
    if chosen.model is None:
        return None
    model: Rewriter = (
        RemoteRewriter(chosen.address, chosen.model, rewriter_key())
        if chosen.address
        else LocalRewriter(chosen.model, settings.model.device)
    )
    return RememberingRewriter(model, AnswerFiles(Workspace(settings.workspace).rewritten_prompts))
