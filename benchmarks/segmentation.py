"""The segmenter with the base backbone, on the CPU: its time and memory, one JSON line a case.

Time is counted in 2048^3 float32 matrix products, computed between the network's blocks, so that
machines can be compared and one that slows down for a second counts on both sides. The floor is
the network's arithmetic in such products.
"""

import argparse
import json
import resource
import statistics
import sys
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from benchmarks.forward import SIDE, seconds
from endofm.models import TransUNet, timesformer_base
from endofm.objectives.segmentation import segmentation_loss

NUM_FRAMES, SIZE_PX = 25, 224
FORWARD_GFLOP = 72.5 * NUM_FRAMES
PRODUCT_GFLOP = 2 * SIDE**3 / 1e9
BYTES_A_UNIT = 1 if sys.platform == "darwin" else 2**10


@dataclass(frozen=True)
class Case:
    """What is timed; ``largest_products`` and ``largest_gb`` are what we hold ourselves to."""

    name: str
    training: bool
    rounds: int
    largest_products: float
    largest_gb: float

    @property
    def floor_products(self) -> float:
        """Training computes forward twice, as it keeps little, and backward needs twice that."""
        return FORWARD_GFLOP * (4 if self.training else 1) / PRODUCT_GFLOP


CASES = (  # in this order, because the peak is that of the process
    Case("forward", training=False, rounds=5, largest_products=122.4, largest_gb=2.5),
    Case("training step", training=True, rounds=2, largest_products=600, largest_gb=6),
)


def make_network(case: Case) -> TransUNet:
    """The segmenter with the base backbone."""
    return TransUNet(timesformer_base(checkpointing=True)).train(case.training)


def make_run(case: Case, model: TransUNet) -> Callable[[], object]:
    """One sequence through the network, or one step of AdamW on it."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    frames = torch.randn(1, NUM_FRAMES, 3, SIZE_PX, SIZE_PX)
    labels = torch.randint(2, (1, NUM_FRAMES, SIZE_PX, SIZE_PX))

    def train() -> None:
        segmentation_loss(model(frames), labels).total.backward()
        optimizer.step()
        optimizer.zero_grad()

    return train if case.training else torch.inference_mode()(lambda: model(frames))


def measure(case: Case) -> dict[str, object]:
    """Median time in products, the peak of memory, and what they were measured with."""
    model = make_network(case)
    run = make_run(case, model)
    run()
    left, right = torch.randn(2, SIDE, SIDE)
    round_products_s: list[float] = []

    def multiply(*_: object) -> None:  # in the layout of linear layers, which is the fastest
        round_products_s.append(seconds(lambda: F.linear(left, right)))

    for block in (*model.stem.body.values(), *model.backbone.blocks, *model.decoder.blocks):
        block.register_forward_hook(multiply)
    times_s: list[float] = []
    product_times_s: list[float] = []
    for _ in range(case.rounds):
        round_products_s.clear()
        times_s.append(seconds(run) - sum(round_products_s))
        product_times_s.append(statistics.mean(round_products_s))
    ratios = [time / product for time, product in zip(times_s, product_times_s, strict=True)]
    peak_gb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * BYTES_A_UNIT / 2**30
    num_products = statistics.median(ratios)
    return {
        "case": f"segmenter, {case.name}, {NUM_FRAMES} frames",
        "products": round(num_products, 1),
        "largest_products": case.largest_products,
        "ratio_to_floor": round(num_products / case.floor_products, 3),
        "peak_gb": round(peak_gb, 2),
        "largest_gb": case.largest_gb,
        "ok": num_products <= case.largest_products and peak_gb <= case.largest_gb,
        "median_s": round(statistics.median(times_s), 2),
        "product_s": round(statistics.median(product_times_s), 3),
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
