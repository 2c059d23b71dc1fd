"""What a method answers on the parts of a dataset that it is not trained on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.data.dataset import FaceDataset, Part
from benchmark.data.transfer import Rows
from benchmark.engine.evaluate import logits_of
from benchmark.errors import DivergedError
from benchmark.protocols.protocol import ImageSpec
from benchmark.stats.accuracy import confusion_matrix
from methods.base import Method


@dataclass(frozen=True)
class Answers:
    """Logits, float32 (n, K), and the confusion matrices that they come to.

    Attributes:
        test: of the test images.
        validation: of the validation images; None where the dataset has none.
        matrices: counts, rows are true classes, by what they are of: ``test``, ``validation``,
            ``clean_validation``.
    """

    test: NDArray[np.float32]
    validation: NDArray[np.float32] | None
    matrices: dict[str, list[list[int]]]


@dataclass(frozen=True)
class Evaluation:
    """Evaluates a method after an epoch.

    Attributes:
        dataset: of the images.
        images: its pixels, where training has them.
        image: their size and normalisation.
        clean_validation: which validation images stand in no other part, (n,); None where that
            is not known.
    """

    dataset: FaceDataset
    images: Rows
    image: ImageSpec
    clean_validation: NDArray[np.bool_] | None

    def of(self, method: Method, epoch: int, advanced: Callable[[], object]) -> Answers:
        """Return what a method answers.

        Args:
            method: as it is after the epoch.
            epoch: from 0, for what is said of logits that are not finite.
            advanced: called for each batch.

        Raises:
            DivergedError: some logits are not finite.
        """
        test = self._logits(method, Part.TEST, epoch, advanced)
        matrices, validation = {"test": self._confusion(Part.TEST, test)}, None
        if self.dataset.has_validation:
            validation = self._logits(method, Part.VALIDATION, epoch, advanced)
            matrices["validation"] = self._confusion(Part.VALIDATION, validation)
            clean = self.clean_validation
            if clean is not None and clean.any():
                matrices["clean_validation"] = self._confusion(Part.VALIDATION, validation, clean)
        return Answers(test, validation, matrices)

    def _logits(
        self, method: Method, part: Part, epoch: int, advanced: Callable[[], object]
    ) -> NDArray[np.float32]:
        """Return the logits of a part; the loss, of before a step, does not vouch for them."""
        logits = logits_of(method, self.images, self.dataset.indices(part), self.image, advanced)
        wrong = int((~np.isfinite(logits).all(axis=1)).sum())
        if wrong:
            raise DivergedError(
                f"{method.info.name}: after epoch {epoch + 1} the logits of {wrong} of "
                f"{len(logits)} {part.name.lower()} images are not finite; try a lower training.lr"
            )
        return logits

    def _confusion(
        self, part: Part, logits: NDArray[np.float32], kept: NDArray[np.bool_] | None = None
    ) -> list[list[int]]:
        """Return the confusion matrix of a part, or of its images that are kept."""
        labels = self.dataset.labels[self.dataset.indices(part)]
        predictions: NDArray[Any] = logits.argmax(axis=1)
        if kept is not None:
            labels, predictions = labels[kept], predictions[kept]
        matrix = confusion_matrix(labels, predictions, len(self.dataset.classes))
        rows: list[list[int]] = matrix.tolist()
        return rows
