"""How well every frame of a sound fits the states of the model."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .features import features
from .model import SILENCE_PHONE, STATES, STREAMS, AcousticModel

_QUIET = 0.25
_LOUD = 60.0
"""Under noise everything but vowels is near the model's silence. What is louder than this part of the way from the
quietest to the loudest is none, more surely so the louder it is."""
_NEVER = np.float32(-1e30)
_NEXT_PHONE = np.float32(-15.0)
"""To go on to another phone; with it right words score above the loop even under noise of 10 dB, wrong ones below."""


class Scores:
    """Log likelihoods of one stretch of sound; 6 MB a second."""

    def __init__(self, model: AcousticModel, samples: NDArray[np.float32]) -> None:
        """
        Args:
            model: of the phones.
            samples: (N,) float32 in [-1, 1] at features.RATE.
        """
        self.model = model
        found, level = features(samples)
        self.frames = len(found)
        self._densities = [_normalized(model.densities(found, phone)) for phone in range(len(model.phones))]
        self.noise = (_LOUD * np.maximum(0, level - _QUIET)).astype(np.float32)
        """(T,) nats that silence scores less because the frame is loud."""
        self.loop = self._loop()
        """(T,) nats that each frame adds to the best way through phones in any order: what any speech scores."""

    def senones(self, senones: Sequence[int] | NDArray[np.integer]) -> NDArray[np.float32]:
        """(T, len(senones)) float32."""
        indices = np.asarray(senones, np.intp)
        owners = self.model.owners[indices]
        scores = np.empty((self.frames, len(indices)), np.float32)
        for phone in np.unique(owners):
            columns = np.flatnonzero(owners == phone)
            shares, total = self._densities[phone]
            scores[:, columns] = total[:, None]
            for stream in range(STREAMS):
                mixed = shares[stream] @ self.model.weights[stream, indices[columns]].T
                scores[:, columns] += np.log(np.maximum(mixed, np.finfo(np.float32).tiny))
        return scores

    def _loop(self) -> NDArray[np.float32]:
        model = self.model
        phones = [index for index, name in enumerate(model.phones) if name != SILENCE_PHONE and "+" not in name]
        stay, leave = model.stay[phones], model.leave[phones]
        emitted = self.senones(model.senones[phones].ravel()).reshape(self.frames, len(phones), STATES)
        states = np.full(stay.shape, _NEVER, np.float32)
        change, added = np.float32(0), np.empty(self.frames, np.float32)
        for frame in range(self.frames):
            gone = states + leave
            entering = np.concatenate((np.full((len(phones), 1), change + _NEXT_PHONE), gone[:, :-1]), axis=1)
            states = np.maximum(entering, states + stay) + emitted[frame]
            added[frame] = states.max()
            states -= added[frame]
            change = (states[:, -1] + leave[:, -1]).max()
        return added


def _normalized(densities: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(STREAMS, T, 128) densities relative to the best of each stream, and (T,) the sum of those best."""
    best = densities.max(axis=2, keepdims=True)
    return np.exp(densities - best), best[..., 0].sum(axis=0)
