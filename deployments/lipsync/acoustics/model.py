"""The acoustic model en-us of PocketSphinx (BSD), read from its PyPI package and scored with numpy.

A phonetically tied mixture: each of 42 base phones has a codebook of 128 Gaussians in three streams of features, and
each state of a triphone (a senone) mixes those of its base phone. The search is our own, because PocketSphinx's fails
a whole utterance over one word that is shorter than its states, cannot leave out what was not said, and does not tell
how well a phone fits.

Files: model/en-us/en-us in the package; the heads of mdef and sendump describe their formats.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

SILENCE_PHONE = "SIL"
STATES = 3
"""Of every phone, from left to right."""
STREAMS = 3
"""Cepstra, their first and their second differences."""
_STREAM_SIZE = 13
_GAUSSIANS = 128
_LOG_STEP = 1024 * np.log(1.0001)
"""sendump holds -log of the weights in steps of 1024, base 1.0001."""
_MIN_VARIANCE = 1e-4
_MIN_TRANSITION = 1e-4
"""PocketSphinx's own floors (-varfloor, -tmatfloor)."""
_INSIDE, _BEGIN, _END, _SINGLE = range(4)
"""Places of a triphone in its word, as mdef numbers them."""


@dataclass(frozen=True, eq=False)
class AcousticModel:
    """How likely a frame of features is in each state of each triphone."""

    phones: tuple[str, ...]
    """Base phones: ARPAbet, SIL and two fillers with a + in their names."""
    means: NDArray[np.float32]
    """(phones, STREAMS, 128, 13) float32."""
    precisions: NDArray[np.float32]
    """The same shape: 1 / (2 variance)."""
    constants: NDArray[np.float32]
    """(phones, STREAMS, 128) float32: log of the density at the mean."""
    weights: NDArray[np.float32]
    """(STREAMS, senones, 128) float32 probabilities."""
    owners: NDArray[np.intp]
    """(senones,) base phone of each; the first are those of the base phones themselves."""
    stay: NDArray[np.float32]
    """(phones, STATES) log probability to stay in a state."""
    leave: NDArray[np.float32]
    """(phones, STATES) log probability to go on to the next."""
    senones: NDArray[np.uint16]
    """(triphones, STATES); the first rows are the base phones'."""
    triphones: NDArray[np.int32]
    """(place, phone, left, right) -> row of `senones`, -1 where the model has none."""

    def states(self, phone: int, left: int, right: int, *, first: bool, last: bool) -> NDArray[np.uint16]:
        """(STATES,) senones of a phone between two others; of the phone alone where the triphone is unknown.

        Args:
            phone: index into `phones`, as are left and right.
            first: of its word.
            last: of its word.
        """
        place = {(True, True): _SINGLE, (True, False): _BEGIN, (False, True): _END}.get((first, last), _INSIDE)
        rows = self.triphones[[place, _INSIDE, _BEGIN, _END, _SINGLE], phone, left, right]
        states: NDArray[np.uint16] = self.senones[next((row for row in rows if row >= 0), phone)]
        return states

    def densities(self, features: NDArray[np.float32], phone: int) -> NDArray[np.float32]:
        """(STREAMS, T, 128) float32: log densities of the codebook of a base phone.

        Args:
            features: (T, STREAMS, 13) float32.
            phone: index into `phones`.
        """
        scores = np.empty((STREAMS, len(features), _GAUSSIANS), np.float32)
        for stream in range(STREAMS):
            values, means, precisions = features[:, stream], self.means[phone, stream], self.precisions[phone, stream]
            weighted = means * precisions
            offset = self.constants[phone, stream] - (weighted * means).sum(axis=1)
            scores[stream] = offset + 2 * (values @ weighted.T) - np.square(values) @ precisions.T
        return scores


def load() -> AcousticModel:
    """Reads the files: 6 MB, 0.1 s."""
    folder = files("pocketsphinx") / "model" / "en-us" / "en-us"
    data = {path.name: path.read_bytes() for path in folder.iterdir()}
    phones, triphones, senones, owners = _read_mdef(data["mdef"])
    shape = (len(phones), STREAMS, _GAUSSIANS, _STREAM_SIZE)
    variances = np.maximum(_read_gaussians(data["variances"], shape), _MIN_VARIANCE)
    constants = -0.5 * np.log(2 * np.pi * variances).sum(axis=-1)
    stay, leave = _read_transitions(data["transition_matrices"], len(phones))
    return AcousticModel(
        phones,
        _read_gaussians(data["means"], shape),
        (0.5 / variances).astype(np.float32),
        constants.astype(np.float32),
        _read_weights(data["sendump"], len(owners)),
        owners,
        stay,
        leave,
        senones,
        triphones,
    )


def _read_mdef(data: bytes) -> tuple[tuple[str, ...], NDArray[np.int32], NDArray[np.uint16], NDArray[np.intp]]:
    """Names of the base phones, table of triphones, their senones, and the base phone of every senone."""
    at = 12 + int.from_bytes(data[8:12], "little")
    phones, triphones, _, _, senones, _, sequences, _, nodes, _ = np.frombuffer(data, "<i4", 10, at).tolist()
    at += 40
    names = data[at : at + 16 * phones].split(b"\0")[:phones]
    at += -(-sum(len(name) + 1 for name in names) // 4) * 4 + 8 * nodes
    table = np.frombuffer(data, np.dtype([("sequence", "<i4"), ("matrix", "<i4"), ("context", "u1", 4)]), triphones, at)
    states = np.frombuffer(data, "<u2", sequences * STATES, at + table.nbytes + 4).reshape(-1, STATES)
    states = states[table["sequence"]]
    index = np.full((4, phones, phones, phones), -1, np.int32)
    place, phone, left, right = table["context"][phones:].T
    index[place, phone, left, right] = np.arange(phones, triphones)
    owners = np.zeros(senones, np.intp)
    owners[states] = np.concatenate((np.arange(phones), phone))[:, None]
    return tuple(name.decode() for name in names), index, states, owners


def _after_head(data: bytes) -> int:
    """Where the numbers of a Sphinx-3 file begin: behind its text head and byte order mark."""
    return data.index(b"endhdr\n") + len(b"endhdr\n") + 4


def _read_gaussians(data: bytes, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Means or variances; seven numbers in front of them repeat the shape."""
    values: NDArray[np.float32] = np.frombuffer(data, "<f4", int(np.prod(shape)), _after_head(data) + 28)
    return values.reshape(shape)


def _read_weights(data: bytes, senones: int) -> NDArray[np.float32]:
    """(STREAMS, senones, 128): what ends the file, one byte each."""
    steps = np.frombuffer(data[-STREAMS * _GAUSSIANS * senones :], np.uint8).reshape(STREAMS, _GAUSSIANS, senones)
    weights: NDArray[np.float32] = np.exp(-_LOG_STEP * steps.transpose(0, 2, 1)).astype(np.float32)
    return weights


def _read_transitions(data: bytes, phones: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(phones, STATES) to stay, to leave; four numbers stand in front."""
    counts = np.frombuffer(data, "<f4", phones * STATES * (STATES + 1), _after_head(data) + 16)
    matrices = counts.reshape(phones, STATES, STATES + 1)
    matrices = np.maximum(matrices / matrices.sum(axis=-1, keepdims=True), _MIN_TRANSITION)
    states = np.arange(STATES)
    return np.log(matrices[:, states, states]), np.log(matrices[:, states, states + 1])
