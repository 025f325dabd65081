"""The page of the tour: what was pre-trained, fine-tuned and predicted, each with its own page."""

from __future__ import annotations

from pathlib import Path

from endofm.files import write_text
from endofm.report import curves, wording
from endofm.report.html import page_environment
from endofm.report.page import MAX_SKIPPED_SHOWN, run_section
from endofm.report.prediction import HEIGHT, WIDTH, read_prediction
from endofm.report.reading import read_run


def write_tour(page: Path, pretrained: Path, classifier: Path, predicted: Path) -> Path:
    """Write one self-contained page over the three steps of the tour.

    Args:
        page: The page to write; it links to the steps' own pages, which lie below its folder.
        pretrained: Run folder of the pre-training.
        classifier: Run folder of the fine-tuning, evaluated.
        predicted: Folder of the prediction of one video.

    Raises:
        RunError: A folder holds nothing of its kind.
    """
    runs = [read_run(folder) for folder in (pretrained, classifier)]
    first, second = (run_section(run, run.name) for run in runs)
    record = read_prediction(predicted)
    text = (
        page_environment()
        .get_template("tour.html")
        .render(
            pretrained=first,
            classifier=second,
            record=record,
            links={
                step: path.relative_to(page.parent).as_posix()
                for step, path in (
                    ("pretrained", first.run.files.report),
                    ("classifier", second.run.files.report),
                    ("predicted", record.files.page),
                )
            },
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
