"""Where a text ends in CLIP's personalized states: the class token (the paper's section 3.4).

CLIP's pooled state is read at the end token, whose place depends on the text's length. Two ways to know it:

    known position   the personalized query starts as the target's tokens, so the target's end is its own
    detector         a small network finds it in the states alone: d -> d/4 -> 1, then argmax over tokens

The known position is the default, by measurement: a detector trained for 10 epochs on 2,700 captions of the
bundled pipeline (`fan_model.studio.training.train_class_token`) finds this share of the ends:

    alpha                                       0     0.4    0.8
    held-out captions, such as references     96 %   97 %   95 %   (padding taken for the end: 0 %, 0 %, 1 %)
    film titles with their genres             53 %   45 %   29 %   (1 %, 1 %, 3 %)
    targets of one or two words                0 %    5 %    2 %   (0 %, 2 %, 23 %)

and the known position all of them.

Legend: b batch, n tokens, d width.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F  # noqa: N812
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from fan_model.encoders.personalized_encoders import ClipEncoder


class QuickGELU(nn.Module):
    """x sigmoid(1.702 x), CLIP's own activation."""

    def forward(self, states: Tensor) -> Tensor:
        """Any shape, element by element."""
        return states * torch.sigmoid(1.702 * states)


class ClassTokenDetector(nn.Module):
    """Scores every token for being the end of its text. The names of its weights are the published ones."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.classifier = nn.Sequential(nn.Linear(width, width // 4), QuickGELU(), nn.Linear(width // 4, 1))

    def forward(self, states: Tensor) -> Tensor:
        """Logits [b, n] for states [b, n, d] as they leave the last layer, before the final norm."""
        return self.classifier(states).squeeze(-1)

    @torch.no_grad()
    def find(self, states: Tensor) -> Tensor:
        """[b] the most likely end position in states [b, n, d], before the final norm."""
        return self(states).argmax(dim=-1)

    @classmethod
    def load(cls, path: Path) -> "ClassTokenDetector":
        """Load published weights (`.pth`, read without unpickling objects) or ones that `save` wrote.

        Raises:
            ValueError: The file does not hold a detector's weights.
        """
        weights = load_file(path) if path.suffix == ".safetensors" else torch.load(path, weights_only=True)
        try:
            detector = cls(weights["classifier.0.weight"].shape[1])
            detector.load_state_dict(weights)
        except (KeyError, RuntimeError, TypeError) as error:
            raise ValueError(f"{path.name} does not hold a class-token detector's weights") from error
        return detector.eval()

    def save(self, path: Path) -> None:
        """Write the weights as safetensors."""
        save_file(self.state_dict(), path)


def train_detector(
    encoder: ClipEncoder,
    token_ids: Tensor,
    positions: Tensor,
    *,
    num_epochs: int = 10,
    batch_size: int = 64,
    learning_rate: float = 1e-3,
    seed: int = 0,
) -> tuple[ClassTokenDetector, Sequence[float]]:
    """Train a detector on plain captions.

    Args:
        encoder: The text encoder whose states are read.
        token_ids: [N, n] tokenized captions, padded as the pipeline pads.
        positions: [N] where each caption ends.
        num_epochs: Passes over the captions (the paper: 10).
        batch_size: Captions per step.
        learning_rate: Of Adam.
        seed: Of the weights and the order of the captions.

    Returns:
        The detector, and the mean loss of each epoch.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        detector = ClassTokenDetector(encoder.encode(token_ids[:1])[-1].shape[-1])
    optimizer = torch.optim.Adam(detector.parameters(), lr=learning_rate)
    losses = []
    for _ in range(num_epochs):
        batches = torch.split(torch.randperm(len(token_ids), generator=generator), batch_size)
        steps = [
            _step(detector, optimizer, encoder.encode(token_ids[rows])[-1], positions[rows])
            for rows in batches
        ]
        losses.append(sum(steps) / len(steps))
    return detector.eval(), losses


def _step(
    detector: ClassTokenDetector, optimizer: torch.optim.Optimizer, states: Tensor, positions: Tensor
) -> float:
    loss = F.cross_entropy(detector(states), positions)
    optimizer.zero_grad()
    torch.autograd.backward(loss)
    optimizer.step()
    return loss.item()
