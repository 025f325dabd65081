"""Setting groups aside, so that no patient is on both sides and every class is on each."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

NUM_DRAWS = 50


def set_aside(
    groups: Sequence[str],
    membership: NDArray[np.int64],
    *,
    share: float,
    num_left: int,
    rng: np.random.Generator,
) -> NDArray[np.bool_] | None:
    """Choose whole groups, such that each class gives about ``share`` of its videos.

    The best of several random draws; in a draw the rarest class chooses its groups first, as in
    iterative stratification (Sechidis et al. 2011). The order of the videos does not matter.

    Args:
        groups: Group of each of N videos.
        membership: Which of K classes each video is of, 0 or 1, shape (N, K).
        share: What to set aside; at least one group of each class is.
        num_left: Groups of each class that must stay.
        rng: Decides.

    Returns:
        Whether each video is set aside, shape (N,); or None, where no draw leaves every class on
        both sides. That takes a class with no more than ``num_left`` groups, or groups with many
        classes.
    """
    names, group_of = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    videos = np.zeros((len(names), membership.shape[1]), dtype=np.int64)
    np.add.at(videos, group_of, membership)  # (G, K)
    best, least = None, np.inf
    for _ in range(NUM_DRAWS):
        chosen = _draw(videos > 0, share=share, num_left=num_left, rng=rng)
        if not (videos[chosen] > 0).any(0).all():
            continue
        error = np.abs(videos[chosen].sum(0) / videos.sum(0) - share).sum()
        if error < least:
            best, least = chosen, error
    return None if best is None else best[group_of]


def _draw(
    present: NDArray[np.bool_], *, share: float, num_left: int, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Which groups (G,) one draw chooses, given in which of them (G, K) each class is."""
    num_groups = present.sum(0)  # (K,)
    wanted = np.maximum(np.round(share * num_groups), 1)
    chosen = np.zeros(len(present), dtype=np.bool_)
    order = rng.permutation(len(present))
    for k in np.argsort(num_groups, kind="stable"):
        for g in order[present[order, k] & ~chosen[order]]:
            if present[chosen, k].sum() >= wanted[k]:
                break
            left = present[~chosen].sum(0)
            if (left[present[g]] > num_left).all():
                chosen[g] = True
    return chosen
