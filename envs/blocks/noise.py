"""Hashing of integer places and the smooth value noise made from it; the same on every machine."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

_ODD = tuple(np.uint64(n) for n in (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9))
_MIX = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))


def hashed(
    seed: int,
    salt: ArrayLike,  # [...] int
    x: ArrayLike,  # [...] int
    z: ArrayLike,  # [...] int
) -> NDArray[np.float64]:  # [...] in [0, 1), at least one axis
    """A uniform number for every place and purpose. Mixer: splitmix64 (Steele et al. 2014)."""
    words = [np.array(part, dtype=np.int64, ndmin=1).view(np.uint64) for part in (x, z, salt)]
    salted = words[2] * _ODD[2] + np.uint64(seed)
    bits = words[0] * _ODD[0] ^ _mixed(words[1] * _ODD[1] + salted)
    return (_mixed(bits) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def value_noise(
    seed: int,
    salt: int,
    wavelength: int,
    xs: NDArray[np.int64],  # [X] consecutive columns
    zs: NDArray[np.int64],  # [Z]
) -> NDArray[np.float64]:  # [X, Z] in [-1, 1]
    """Random values on a lattice, joined by smoothstep."""
    x_cell, x_blend = _lattice(xs, wavelength)
    z_cell, z_blend = _lattice(zs, wavelength)
    x_nodes = np.arange(x_cell[0], x_cell[-1] + 2)
    z_nodes = np.arange(z_cell[0], z_cell[-1] + 2)
    nodes = hashed(seed, salt, x_nodes[:, None], z_nodes[None, :]) * 2.0 - 1.0
    x_at, z_at = x_cell - x_cell[0], z_cell - z_cell[0]
    rows = nodes[x_at] + (nodes[x_at + 1] - nodes[x_at]) * x_blend[:, None]
    return rows[:, z_at] + (rows[:, z_at + 1] - rows[:, z_at]) * z_blend


def smoothstep(
    x: NDArray[np.float64],  # [...]
) -> NDArray[np.float64]:  # [...]
    clipped = np.clip(x, 0.0, 1.0)
    return clipped * clipped * (3.0 - 2.0 * clipped)


def _lattice(
    at: NDArray[np.int64],  # [N]
    wavelength: int,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:  # [N] cell, [N] blend in [0, 1)
    cell = at // wavelength
    return cell, smoothstep((at - cell * wavelength) / wavelength)


def _mixed(bits: NDArray[np.uint64]) -> NDArray[np.uint64]:
    bits = (bits ^ (bits >> np.uint64(30))) * _MIX[0]
    bits = (bits ^ (bits >> np.uint64(27))) * _MIX[1]
    return bits ^ (bits >> np.uint64(31))
