"""The page of the tour: what was pre-trained, fine-tuned and predicted, each with its own page."""

from __future__ import annotations

from pathlib import Path

from endofm.files import write_text
from endofm.report import curves, wording
from endofm.report.html import page_environment
from endofm.report.page import MAX_SKIPPED_SHOWN, run_section
from endofm.report.prediction import read_prediction
from endofm.report.prediction_record import HEIGHT, WIDTH
from endofm.report.reading import read_run


def write_tour(
    page: Path,
    *,
    pretrained: Path,
    classifier: Path,
    predicted: Path,
    segmenter: Path,
    outlined: Path,
    detector: Path,
    boxed: Path,
) -> Path:
    """Write one self-contained page over the steps of the tour.

    Args:
        page: The page to write; it links to the steps' own pages, which lie below its folder.
        pretrained: Run folder of the pre-training.
        classifier: Run folder of a classifier, evaluated.
        predicted: Folder of its prediction of one video.
        segmenter: Run folder of a segmenter, evaluated.
        outlined: Folder of its prediction of one video.
        detector: Run folder of a detector, evaluated.
        boxed: Folder of its prediction of one video.

    Raises:
        RunError: A folder holds nothing of its kind.
    """
    runs = [read_run(folder) for folder in (pretrained, classifier, segmenter, detector)]
    first, second, third, fourth = (run_section(run, run.name) for run in runs)
    record, outlines, boxes = (read_prediction(of) for of in (predicted, outlined, boxed))
    pages = {
        "pretrained": first.run.files.report,
        "classifier": second.run.files.report,
        "predicted": record.files.page,
        "segmenter": third.run.files.report,
        "outlined": outlines.files.page,
        "detector": fourth.run.files.report,
        "boxed": boxes.files.page,
    }
    text = (
        page_environment()
        .get_template("tour.html")
        .render(
            pretrained=first,
            classifier=second,
            record=record,
            segmenter=third,
            outlines=outlines,
            detector=fourth,
            boxes=boxes,
            links={step: path.relative_to(page.parent).as_posix() for step, path in pages.items()},
            width=WIDTH,
            height=HEIGHT,
            max_skipped=MAX_SKIPPED_SHOWN,
            metric_name=curves.metric_name,
            is_share=curves.is_share,
            say=wording,
        )
    )
    write_text(page, text)
    return page
