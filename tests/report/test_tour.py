from pathlib import Path

import pytest

from endofm.errors import RunError
from endofm.report import write_tour
from tests.report.builder import add_figures, add_probes, build_run


def test_a_missing_step_is_told(tmp_path: Path) -> None:
    run = build_run(tmp_path / "ssl")
    add_probes(run)
    add_figures(run)
    steps = {
        "pretrained": run,
        "classifier": run,
        "predicted": tmp_path,
        "segmenter": run,
        "outlined": tmp_path,
        "detector": run,
        "boxed": tmp_path,
    }
    with pytest.raises(RunError, match=r"prediction\.json: missing"):
        write_tour(tmp_path / "tour.html", **steps)
    for step in ("pretrained", "classifier", "segmenter", "detector"):
        with pytest.raises(RunError, match="holds no run"):
            write_tour(tmp_path / "tour.html", **{**steps, step: tmp_path / "nothing"})
    assert not (tmp_path / "tour.html").exists()
