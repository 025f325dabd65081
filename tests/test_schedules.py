import math

import numpy as np
import pytest

from endofm.schedules import cosine, linear_by_epoch, warmup_cosine, warmup_polynomial


def test_cosine_starts_and_would_end_at_its_ends() -> None:
    assert cosine(0, start=0.04, end=0.4, num_steps=10) == pytest.approx(0.04)
    assert cosine(10, start=0.04, end=0.4, num_steps=10) == pytest.approx(0.4)
    assert cosine(5, start=1.0, end=0.0, num_steps=10) == pytest.approx(0.5)


def test_warmup_holds_both_its_ends() -> None:
    rates = [warmup_cosine(i, peak=2.0, end=0.5, warmup_steps=5, num_steps=20) for i in range(20)]
    np.testing.assert_allclose(rates[:5], np.linspace(0, 2, 5))
    after = [0.5 + 0.75 * (1 + math.cos(math.pi * i / 15)) for i in range(15)]
    np.testing.assert_allclose(rates[5:], after)
    assert rates[0] == 0.0
    assert rates[5] == 2.0


@pytest.mark.parametrize("warmup_steps", [0, 1])
def test_warmup_may_be_absent_or_a_single_step(warmup_steps: int) -> None:
    first = warmup_cosine(0, peak=2.0, end=0.5, warmup_steps=warmup_steps, num_steps=20)
    assert first == (2.0 if warmup_steps == 0 else 0.0)


def test_temperature_is_linear_by_epoch_then_constant() -> None:
    values = [linear_by_epoch(epoch, start=0.04, end=0.07, warmup_epochs=5) for epoch in range(8)]
    np.testing.assert_allclose(values, [*np.linspace(0.04, 0.07, 5), 0.07, 0.07, 0.07])


def test_temperature_without_warmup_is_the_end_value() -> None:
    assert linear_by_epoch(0, start=0.04, end=0.07, warmup_epochs=0) == 0.07


def test_a_polynomial_falls_to_0_and_may_rise_first() -> None:
    def rates(warmup_steps: int) -> list[float]:
        return [
            warmup_polynomial(step, peak=2.0, power=0.9, warmup_steps=warmup_steps, num_steps=10)
            for step in range(11)
        ]

    plain, warmed = rates(0), rates(4)
    assert plain == [2.0 * (1 - step / 10) ** 0.9 for step in range(11)]
    assert warmed[4:] == plain[4:]
    assert [w / p for w, p in zip(warmed[:4], plain, strict=False)] == pytest.approx(
        [0, 1 / 3, 2 / 3, 1]
    )
