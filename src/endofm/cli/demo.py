"""``endofm demo``: the whole tour on synthetic clips."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from pydantic import NonNegativeInt, PositiveInt

from endofm.by_task import evaluate, finetune
from endofm.catalog.synthetic_dataset import write_dataset
from endofm.catalog.synthetic_light import LIGHTS, write_examination, write_light_set
from endofm.catalog.synthetic_masks import FOLDER as SEGMENTED
from endofm.catalog.synthetic_masks import write_segmented_set
from endofm.cli.arguments import parse
from endofm.config import Settings, read_preset
from endofm.data.manifests import read_clip_list
from endofm.errors import DataError, RunError
from endofm.prediction.asking import predictor_of
from endofm.prediction.many import predict_videos
from endofm.progress import ProgressBar
from endofm.report import write_report, write_tour
from endofm.tasks.classify_config import ClassifyConfig
from endofm.tasks.detect_config import DetectConfig
from endofm.tasks.pretrain import pretrain
from endofm.tasks.pretrain_config import PretrainConfig
from endofm.tasks.segment_config import SegmentConfig

NUM_FRAMES = 64
"""Frames of a clip: 2.1 s, enough for views and quicker to render than the method's 5 s."""
SIZE_PX = 160
SPAN_FRAMES = 32
"""Frames that a classifier's clip reaches over: short, so that a short video shows changes."""
EXAMINATION_CLIPS = 6
ADENOMA = "adenoma"
EVERY_FRAMES = 8
"""Frames of a clip from one that a segmenter is trained on to the next."""
SEGMENTED_HW = (64, 64)
DETECTED_HW = (96, 96)


class Arguments(Settings):
    """Make synthetic clips, pre-train a tiny backbone, fine-tune it, and use it on a new video."""

    out: Path = Path("endofm-demo")
    """A new folder."""
    overwrite: bool = False
    """Replace an earlier demo there."""
    num_clips: PositiveInt = 72
    """Clips to make."""
    steps: PositiveInt = 40
    """Steps to pre-train."""
    epochs: PositiveInt = 4
    """Epochs to fine-tune the classifier."""
    segment_epochs: PositiveInt = 7
    """Epochs to train the segmenter."""
    detect_epochs: PositiveInt = 3
    """Epochs to train the detector."""
    seed: NonNegativeInt = 0
    """Of the clips and the training."""


def main(words: list[str]) -> None:
    """Run the command."""
    arguments = parse(Arguments, words, prog="endofm demo")
    _make_way(arguments)
    out = arguments.out
    data = out / "data"
    print(f"1/8 {arguments.num_clips} synthetic clips with masks, boxes and labels -> {data}")
    clips = _make_clips(arguments, data)
    run = out / "pretrain"
    print(f"2/8 pre-training without labels, k-NN before and after -> {run}")
    pretrained = pretrain(_pretraining(arguments, clips, run))
    _stop_unless(finished=pretrained.finished, out=out)
    write_report([run])
    classifier = out / "classify"
    print(f"3/8 fine-tuning to tell which light is on, scored on other patients -> {classifier}")
    _finetune(_classification(arguments, data / "light.csv", weights=run, out=classifier))
    print(f"4/8 a new video whose light is switched -> {out / 'predict'}")
    predicted = _predict(classifier, data / "examination.mp4", out / "predict")
    segmenter = out / "segment"
    print(f"5/8 learning to outline adenomas, scored on other patients -> {segmenter}")
    _finetune(_segmentation(arguments, data / SEGMENTED, weights=run, out=segmenter))
    print(f"6/8 outlines in a new video -> {out / 'outline'}")
    outlined = _predict(segmenter, _unseen_adenoma(clips), out / "outline")
    detector = out / "detect"
    print(f"7/8 learning to find adenomas, scored on other patients -> {detector}")
    _finetune(_detection(arguments, data / SEGMENTED, weights=run, out=detector))
    print(f"8/8 boxes in a new video, and the page -> {out / 'boxes'}")
    boxed = _predict(detector, _unseen_adenoma(clips), out / "boxes")
    page = write_tour(
        out / "tour.html",
        pretrained=run,
        classifier=classifier,
        predicted=predicted,
        segmenter=segmenter,
        outlined=outlined,
        detector=detector,
        boxed=boxed,
    )
    print(page)


def _finetune(config: ClassifyConfig | SegmentConfig | DetectConfig) -> None:
    """Train, score on the test patients, and write the run's page."""
    _stop_unless(finished=finetune(config).finished, out=config.out.parent)
    evaluate(config.out)
    write_report([config.out])


def _predict(source: Path, video: Path, out: Path) -> Path:
    """The folder of the prediction of one video."""
    return predict_videos(predictor_of(source), [video], out).pages[0].parent


def _stop_unless(*, finished: bool, out: Path) -> None:
    """A training that was told to stop ends the tour, not only itself."""
    if not finished:
        raise KeyboardInterrupt(f"begin again with: endofm demo --out {out} --overwrite")


def _make_clips(arguments: Arguments, data: Path) -> Path:
    num_patients = max(arguments.num_clips // 4, 1)
    with ProgressBar("rendering", total=arguments.num_clips, unit="clips") as bar:
        clips = write_dataset(
            data,
            num_clips=arguments.num_clips,
            num_patients=num_patients,
            num_frames=NUM_FRAMES,
            size_px=SIZE_PX,
            seed=arguments.seed,
            num_workers=os.cpu_count() or 1,
            progress=bar.set,
        )
    with ProgressBar("changing the light", total=arguments.num_clips, unit="clips") as bar:
        write_light_set(data, num_patients=num_patients, progress=bar.set)
    write_examination(data, data / "examination.mp4", num_clips=EXAMINATION_CLIPS)
    with ProgressBar("cutting out frames", total=0, unit="clips") as bar:
        write_segmented_set(data, every_frames=EVERY_FRAMES, label=ADENOMA, progress=bar.set)
    return clips


def _unseen_adenoma(clips: Path) -> Path:
    """The first clip of a test patient that shows one."""
    for clip in read_clip_list(clips):
        if (clip.split, clip.label) == ("test", ADENOMA):
            return clip.path
    raise DataError(f"{clips}: no test patient has an {ADENOMA}", "make more clips: --num-clips")


def _pretraining(arguments: Arguments, clips: Path, out: Path) -> PretrainConfig:
    preset = read_preset("pretrain", "tiny")
    changes = {
        "data": [clips.parent / "videos"],
        "out": out,
        "steps": arguments.steps,
        "seed": arguments.seed,
        "data_note": "synthetic",
        "probe": {**preset["probe"], "clips": clips, "every": arguments.steps},
    }
    return PretrainConfig.parse({**preset, **changes}, where="the demo's settings")


def _classification(
    arguments: Arguments, clips: Path, *, weights: Path, out: Path
) -> ClassifyConfig:
    preset = read_preset("classify", "tiny")
    changes = {
        "data": clips,
        "weights": str(weights),
        "out": out,
        "epochs": arguments.epochs,
        "seed": arguments.seed,
        "positive": LIGHTS[1],
        "data_note": "synthetic",
        "sampling": {**preset["sampling"], "span_frames": SPAN_FRAMES},
        "optimiser": {**preset["optimiser"], "warmup_epochs": 0.5},
    }
    return ClassifyConfig.parse({**preset, **changes}, where="the demo's settings")


def _segmentation(arguments: Arguments, data: Path, *, weights: Path, out: Path) -> SegmentConfig:
    preset = read_preset("segment", "tiny")
    changes = {
        "data": data,
        "weights": str(weights),
        "out": out,
        "epochs": arguments.segment_epochs,
        "seed": arguments.seed,
        "data_note": "synthetic",
        "frames": {**preset["frames"], "size_hw": SEGMENTED_HW},
        "optimiser": {**preset["optimiser"], "learning_rate": 2e-3},
    }
    return SegmentConfig.parse({**preset, **changes}, where="the demo's settings")


def _detection(arguments: Arguments, data: Path, *, weights: Path, out: Path) -> DetectConfig:
    preset = read_preset("detect", "tiny")
    changes = {
        "data": data,
        "weights": str(weights),
        "out": out,
        "epochs": arguments.detect_epochs,
        "average_momentum": 0.97,
        "seed": arguments.seed,
        "data_note": "synthetic",
        "frames": {**preset["frames"], "size_hw": DETECTED_HW},
    }
    return DetectConfig.parse({**preset, **changes}, where="the demo's settings")


def _make_way(arguments: Arguments) -> None:
    if not arguments.out.exists():
        return
    folders = {"data", "pretrain", "classify", "predict", "segment", "outline", "detect", "boxes"}
    known = {*folders, "tour.html"}
    if not arguments.overwrite or any(p.name not in known for p in arguments.out.iterdir()):
        raise RunError(
            f"{arguments.out} exists", "add --overwrite for an earlier demo, or name another --out"
        )
    shutil.rmtree(arguments.out)
