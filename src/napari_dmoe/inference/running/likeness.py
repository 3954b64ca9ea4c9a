"""Whether an image is like those that the model was trained on, and in what it is not.

The card says what those looked like. What a run's images look like, and how it used
its experts, is known anyway.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from torch import Tensor

from napari_dmoe.imaging.appearance import Appearance, appearance
from napari_dmoe.inference.running.forward import Forward
from napari_dmoe.models.training_images import LOADS, UNLIKE, TrainingImages


class Likeness:
    """Looks at what a network sees, frame by frame.

    Parameters
    ----------
    trained_on : TrainingImages, optional
        What the card states; without it nothing is looked at, and nothing said.
    """

    def __init__(self, trained_on: TrainingImages | None) -> None:
        self._trained_on = trained_on
        self._seen: dict[int, Appearance] = {}

    @property
    def is_known(self) -> bool:
        """Whether the card states what images looked like; else none is looked at."""
        return self._trained_on is not None

    def look(self, number: int, image: Tensor) -> None:
        """Remember what frame `number`, (C, *S) in [0, 1], looks like."""
        if self._trained_on is not None:
            self._seen[number] = appearance(image)

    def notices(
        self, frame: str, loads: Sequence[Sequence[float]] = ()
    ) -> tuple[str, ...]:
        """Say how many frames are unlike the images of the training, and in what.

        Parameters
        ----------
        frame : str
            What one of them is called: plane or volume.
        loads : sequence of sequence of float
            Mean gate of every expert, block by block, for each frame; empty where they
            say nothing of the image, because somebody intervened in them.
        """
        if self._trained_on is None or not self._seen:
            return ()
        unlike = [
            found
            for number in sorted(self._seen)
            if (found := self._trained_on.unlike(self._with_loads(number, loads)))
        ]
        if not unlike:
            return ()
        n = len(self._seen)
        who = "the image is" if n == 1 else f"{len(unlike)} of {n} {frame}s are"
        in_what = Counter(side for sides in unlike for side in sides)
        words = _listed(f"its {side}" for side, _ in in_what.most_common())
        return (f"for this model, {who} {UNLIKE}: far outside in {words}",)

    def _with_loads(
        self, number: int, loads: Sequence[Sequence[float]]
    ) -> Mapping[str, Sequence[float]]:
        own = {LOADS: loads[number]} if number < len(loads) else {}
        return {**self._seen[number], **own}


def _listed(words: Iterable[str]) -> str:
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last


def mean_loads(
    forward: Forward, blocks: Sequence[Tensor], weights: Sequence[float] | None = None
) -> list[list[float]]:
    """Return the mean gate of every expert, block by block, for each frame.

    `blocks` are gates (V, P, ..., E) of V values and P frames, which are weighted as
    their masks are, or by `weights`. None are returned where somebody intervened in the
    routing.
    """
    choice = forward.choice
    shares = choice.weights if weights is None else weights
    if not blocks or any(choice.experts) or forward.settings.noise:
        return []
    rows: list[list[float]] = [[] for _ in range(blocks[0].shape[1])]
    for gates in blocks:
        mean = gates.flatten(2, -2).mean(2)
        of_values = mean.new_tensor(shares)[:, None, None] * mean
        for row, own in zip(rows, of_values.sum(0), strict=True):
            row += own.tolist()
    return rows
