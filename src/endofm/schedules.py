"""Everything that changes with the step, as pure functions of the step.

Endo-FM follows DINO here (Caron et al. 2021, Section 3 and its released settings).
"""

import math
from collections.abc import Sequence


def cosine(step: int, *, start: float, end: float, num_steps: int) -> float:
    """Half a cosine from ``start`` at step 0 towards ``end``, which step ``num_steps`` reaches."""
    return end + 0.5 * (start - end) * (1 + math.cos(math.pi * step / num_steps))


def warmup_cosine(
    step: int, *, peak: float, end: float, warmup_steps: int, num_steps: int
) -> float:
    """A line from exactly 0 to ``peak``, both included, then half a cosine towards ``end``."""
    if step < warmup_steps:
        return peak * step / max(1, warmup_steps - 1)
    return cosine(
        step - warmup_steps, start=peak, end=end, num_steps=max(1, num_steps - warmup_steps)
    )


def warmup_polynomial(
    step: int, *, peak: float, power: float, warmup_steps: int, num_steps: int
) -> float:
    """A line from 0 to ``peak``, as in ``warmup_cosine``, times (1 - step / num_steps) ** power.

    Without a warm-up it is the rate of TransUNet (Chen et al., 2021), whose power is 0.9.
    """
    rise = min(step / max(1, warmup_steps - 1), 1.0) if step < warmup_steps else 1.0
    return float(peak * rise * (1 - step / num_steps) ** power)


def linear_by_epoch(epoch: int, *, start: float, end: float, warmup_epochs: int) -> float:
    """Evenly spaced from ``start`` to ``end``, both included, over the first epochs; then ``end``.

    With fewer than two warm-up epochs a single one has ``start`` and none has ``end`` throughout.
    """
    if epoch >= warmup_epochs:
        return end
    return start + (end - start) * epoch / max(1, warmup_epochs - 1)


def warmup_halving(
    step: int, *, peak: float, warmup_from: float, warmup_steps: int, halved_at: Sequence[int]
) -> float:
    """A line from a share of ``peak`` up to it, then halved at each of some steps.

    The schedule of the original's detection: ``warmup_from`` a third, three halvings.
    """
    rise = warmup_from + (1 - warmup_from) * step / warmup_steps if step < warmup_steps else 1.0
    return float(peak * rise * 0.5 ** sum(step >= at for at in halved_at))
