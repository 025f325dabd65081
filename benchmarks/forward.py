"""The base network against the arithmetic it needs, on the CPU; prints one JSON line a case.

The floor is the operations of the network (multiply-add = 2) at the rate of a 2048^3 matrix
product in the same precision, measured in turn with the network, so that a machine that slows
down counts on both sides. Each round gives one ratio; the median is reported.
"""

import argparse
import itertools
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from endofm.models import timesformer_base

FORWARD_GFLOP = 392  # 8 frames of 224 x 224 px
SIDE = 2048
PRODUCTS_A_ROUND = 4


@dataclass(frozen=True)
class Case:
    """What is timed; ``largest_ratio`` is what we hold ourselves to."""

    name: str
    dtype: torch.dtype
    training: bool
    rounds: int
    largest_ratio: float

    @property
    def gflop(self) -> float:
        """A backward pass needs twice the operations of the forward pass."""
        return FORWARD_GFLOP * (3 if self.training else 1)


CASES = (
    Case("forward fp32", torch.float32, training=False, rounds=9, largest_ratio=1.15),
    Case("forward bf16", torch.bfloat16, training=False, rounds=3, largest_ratio=1.4),
    Case("forward and backward fp32", torch.float32, training=True, rounds=5, largest_ratio=1.3),
)


def make_network_run(case: Case) -> Callable[[], object]:
    """One pass of the base network over one clip of 8 x 224^2."""
    model = timesformer_base().to(case.dtype).train(case.training)
    clip = torch.randn(1, 3, 8, 224, 224, dtype=case.dtype)

    def train() -> None:
        model.zero_grad()
        model(clip).sum().backward()

    return train if case.training else torch.inference_mode()(lambda: model(clip))


def make_products(dtype: torch.dtype) -> Callable[[], object]:
    """Matrix products in the layout of linear layers, which is the fastest in every precision."""
    left, right = torch.randn(2, SIDE, SIDE, dtype=dtype)

    def multiply() -> None:
        for _ in range(PRODUCTS_A_ROUND):
            F.linear(left, right)

    return multiply


def seconds(work: Callable[[], object]) -> float:
    """Wall-clock time that ``work`` takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def measure(case: Case) -> dict[str, object]:
    """Median ratio to the floor, the median times, and what they were measured with."""
    network, products = make_network_run(case), make_products(case.dtype)
    products_gflop = PRODUCTS_A_ROUND * 2 * SIDE**3 / 1e9
    network()
    products()
    times_s: list[float] = []
    product_times_s = [seconds(products)]
    for _ in range(case.rounds):
        times_s.append(seconds(network))
        product_times_s.append(seconds(products))
    floors_s = [
        case.gflop / products_gflop * (before + after) / 2
        for before, after in itertools.pairwise(product_times_s)
    ]
    ratio = statistics.median(t / floor for t, floor in zip(times_s, floors_s, strict=True))
    return {
        "case": case.name,
        "ratio_to_floor": round(ratio, 3),
        "largest_ratio": case.largest_ratio,
        "ok": ratio <= case.largest_ratio,
        "median_s": round(statistics.median(times_s), 3),
        "floor_s": round(statistics.median(floors_s), 3),
        "product_gflop_a_s": round(products_gflop / statistics.median(product_times_s), 1),
        "rounds": case.rounds,
        "num_threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }


def main() -> None:
    """Measure the cases whose name contains the argument; all without one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("only", nargs="?", default="", help="part of a case's name")
    only = parser.parse_args().only
    torch.manual_seed(0)
    for case in CASES:
        if only in case.name:
            print(json.dumps(measure(case)), flush=True)


if __name__ == "__main__":
    main()
