import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import endofm
from endofm.data.manifests import scan
from endofm.data.shard_writer import pack_videos
from endofm.errors import ConfigError, DataError, EndofmError, RunError, TrainingError, WeightsError
from endofm.objectives.dino import DINOLoss, dino_loss
from endofm.runfolder import RunFolder, read_lines
from endofm.tasks import self_distillation
from endofm.tasks.pretrain import pretrain
from endofm.tasks.pretrain_config import PretrainConfig

MakeConfig = Callable[..., PretrainConfig]

STEP_NUMBERS = ("loss", "loss_cross_view", "loss_dynamic", "teacher_entropy", "feature_spread")


def _run(config: PretrainConfig, *, resume: bool = False) -> RunFolder:
    pretrain(config, resume=resume, show_progress=False)
    return RunFolder(config.out)


def _numbers(run: RunFolder) -> list[tuple[float, ...]]:
    return [tuple(line[name] for name in STEP_NUMBERS) for line in read_lines(run.metrics)]


def test_a_run_leaves_all_that_it_promises(make_config: MakeConfig, videos: Path) -> None:
    config = make_config(
        probe={"clips": videos / "clips.csv", "num_frames": 2, "num_neighbours": 3, "every": 2},
        trackers=["tensorboard"],
        data_note="noise",
    )
    run = _run(config)
    lines = list(read_lines(run.metrics))
    assert [line["step"] for line in lines] == [1, 2, 3, 4]
    assert lines[0]["learning_rate"] == 0.0
    for line in lines:
        pairs = {"loss_dynamic": 2, "loss_cross_view": 4}
        mean = sum(line[name] * n for name, n in pairs.items()) / sum(pairs.values())
        assert line["loss"] == pytest.approx(mean, rel=1e-5)
    probes = list(read_lines(run.probes))
    assert [(p["step"], p["metric"]) for p in probes] == [
        (step, metric) for step in (0, 2, 4) for metric in ("knn_accuracy", "linear_probe_accuracy")
    ]
    assert {(p["split"], p["n"], p["data_note"]) for p in probes} == {("val", 3, "noise")}
    assert {p.name for p in run.checkpoints.iterdir()} == {"step-000002", "step-000004", "last"}
    assert any(run.tensorboard.iterdir())
    assert run.skipped.read_text() == "path,reason\n"
    with np.load(run.views_figure) as views:
        assert [views[f"view{i}"].shape for i in range(4)] == [
            (2, 32, 32, 3),
            (4, 32, 32, 3),
            (1, 16, 16, 3),
            (2, 16, 16, 3),
        ]
    with np.load(run.attention_figure) as attention:
        assert attention["attention"].shape == (3, 2, 2, 2)
    assert json.loads(run.environment.read_text())["packages"]["torch"] == torch.__version__


def test_the_teacher_of_a_run_is_what_load_gives(make_config: MakeConfig) -> None:
    run = _run(make_config())
    backbone = endofm.load(str(run.path))
    assert not backbone.training
    assert backbone(torch.zeros(1, 3, 2, 32, 32)).shape == (1, 192)


def test_the_student_learns_and_the_teacher_follows(make_config: MakeConfig) -> None:
    run = _run(make_config(teacher={"momentum": 0.5}))
    last = run.checkpoints / "last"
    student, teacher = (load_file(last / f"{n}.safetensors") for n in ("student", "teacher"))
    fresh_run = _run(make_config(out=run.path.parent / "other", seed=0, steps=3))
    fresh = load_file(fresh_run.checkpoints / "last" / "student.safetensors")
    name = "backbone.blocks.0.attn.qkv.weight"
    assert not torch.equal(student[name], fresh[name])
    assert not torch.equal(student[name], teacher[name])
    torch.testing.assert_close(student["head.last_layer.weight_g"], torch.ones(16, 1))


def test_frozen_prototypes_stand_still_in_the_first_epoch(make_config: MakeConfig) -> None:
    run = _run(make_config(steps=3, keep=9))
    second, third = (
        load_file(run.checkpoints / f"step-00000{step}" / "student.safetensors")[
            "head.last_layer.weight_v"
        ]
        for step in (2, 3)
    )
    teacher = load_file(run.checkpoints / "step-000002" / "teacher.safetensors")
    torch.testing.assert_close(second, teacher["head.last_layer.weight_v"])
    assert not torch.equal(third, second)


def test_going_on_equals_an_unbroken_run_bit_for_bit(make_config: MakeConfig) -> None:
    whole = _run(make_config(steps=7))
    config = make_config(steps=7, out=whole.path.parent / "broken")
    stop_after(config, 3)
    broken = _run(config, resume=True)
    assert _numbers(broken) == _numbers(whole)
    for name in ("student", "teacher", "training"):
        first, second = (
            load_file(r.checkpoints / "last" / f"{name}.safetensors") for r in (whole, broken)
        )
        assert first.keys() == second.keys()
        assert all(torch.equal(first[key], second[key]) for key in first)


def test_a_clip_store_gives_the_losses_of_its_folder_also_when_resumed(
    make_config: MakeConfig, videos: Path, tmp_path: Path
) -> None:
    pack_videos(scan([videos]).videos, tmp_path / "store", root=videos, shard_bytes=40_000)
    whole = _run(make_config(steps=5))
    address = str(tmp_path / "store")
    config = make_config(steps=5, data=[address], out=whole.path.parent / "stored")
    stop_after(config, 2)
    assert _numbers(_run(config, resume=True)) == _numbers(whole)


def test_a_clip_store_that_was_packed_anew_is_not_gone_on_with(
    make_config: MakeConfig, videos: Path, tmp_path: Path
) -> None:
    found = scan([videos]).videos
    pack_videos(found, tmp_path / "store", root=videos)
    config = make_config(steps=4, data=[str(tmp_path / "store")])
    stop_after(config, 2)
    shutil.rmtree(tmp_path / "store")
    pack_videos(found[1:], tmp_path / "store", root=videos)
    with pytest.raises(EndofmError, match="store"):
        _run(config, resume=True)


def test_nothing_can_be_left_out_of_a_clip_store(
    make_config: MakeConfig, videos: Path, tmp_path: Path
) -> None:
    pack_videos(scan([videos]).videos, tmp_path / "store", root=videos)
    (tmp_path / "exclude.csv").write_text("path\nx.mp4\n")
    config = make_config(data=[str(tmp_path / "store")], exclude=[tmp_path / "exclude.csv"])
    with pytest.raises(EndofmError, match="is a clip store, of which nothing can be left out"):
        _run(config)


def test_excluded_videos_take_no_part(
    make_config: MakeConfig, videos: Path, tmp_path: Path
) -> None:
    names = [os.path.relpath(videos / f"{number}.mp4", tmp_path) for number in (1, 3)]
    (tmp_path / "exclude.csv").write_text("\n".join(["path", *names]))
    run = _run(make_config(steps=2, exclude=[tmp_path / "exclude.csv"]))
    kept = {Path(row["path"]).stem for row in json.loads(run.videos.read_text())}
    assert kept == {"0", "2", "4", "5", "6", "7"}


def stop_after(config: PretrainConfig, step: int) -> None:
    """Run until SIGTERM arrives after ``step``: a clean stop with a checkpoint."""
    original = self_distillation.SelfDistillation.after_update

    def after_update(task: self_distillation.SelfDistillation, number: int) -> None:
        original(task, number)
        if number + 1 == step:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(self_distillation.SelfDistillation, "after_update", after_update)
        result = pretrain(config, show_progress=False)
    assert (result.steps, result.finished) == (step, False)
    assert (config.out / "checkpoints" / "last").resolve().name == f"step-{step:06d}"


def test_accumulated_micro_batches_give_the_same_losses(make_config: MakeConfig) -> None:
    whole = _run(make_config(drop_path=0.0))
    parts = _run(make_config(drop_path=0.0, accumulate=2, out=whole.path.parent / "parts"))
    np.testing.assert_allclose(
        [line["loss"] for line in read_lines(parts.metrics)],
        [line["loss"] for line in read_lines(whole.metrics)],
        rtol=1e-5,
    )


def test_a_checkpoint_is_a_start(make_config: MakeConfig) -> None:
    first = _run(make_config())
    start = str(first.checkpoints / "last")
    second = _run(make_config(start=start, out=first.path.parent / "second"))
    assert len(list(read_lines(second.metrics))) == 4


def test_a_start_of_another_size_is_refused(make_config: MakeConfig) -> None:
    first = _run(make_config())
    with pytest.raises(WeightsError, match="does not fit"):
        _run(
            make_config(
                start=str(first.checkpoints / "last"), model="small", out=first.path.parent / "b"
            )
        )


def test_a_taken_folder_is_refused(make_config: MakeConfig) -> None:
    run = _run(make_config())
    before = run.metrics.read_bytes()
    with pytest.raises(RunError, match="already holds a run; add --resume"):
        _run(make_config())
    assert run.metrics.read_bytes() == before


def test_a_run_cannot_go_on_with_other_settings(make_config: MakeConfig) -> None:
    _run(make_config())
    with pytest.raises(ConfigError, match="cannot go on with another batch_size, seed; leave"):
        _run(make_config(seed=1, batch_size=8), resume=True)


def test_a_finished_run_has_nothing_left_to_do(make_config: MakeConfig) -> None:
    run = _run(make_config())
    before = _numbers(run)
    _run(make_config(num_workers=0, log_every=7), resume=True)
    assert _numbers(run) == before


def test_nothing_to_resume_starts_afresh(make_config: MakeConfig) -> None:
    assert len(_numbers(_run(make_config(), resume=True))) == 4


def test_the_first_non_finite_loss_stops_with_its_batch(
    make_config: MakeConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = dino_loss

    def poisoned(pairs: torch.Tensor) -> DINOLoss:
        terms = original(pairs)
        return terms._replace(total=terms.total * float("nan"))

    monkeypatch.setattr(self_distillation, "dino_loss", poisoned)
    config = make_config()
    with pytest.raises(TrainingError, match="step 0: loss is not finite; see failures/"):
        _run(config)
    folder = RunFolder(config.out).failure(0)
    facts = json.loads((folder / "process-0.json").read_text())
    assert facts["step"] == 0
    assert facts["term"] == "loss"
    assert len(facts["clips"]) == 4
    assert load_file(folder / "process-0.safetensors")["view1"].shape == (4, 4, 32, 32, 3)


def test_unusable_videos_are_listed_and_too_many_stop_the_run(
    make_config: MakeConfig, videos: Path, tmp_path: Path
) -> None:
    bad = tmp_path / "bad"
    bad.mkdir()
    (bad / "empty.mp4").touch()
    (bad / "text.mp4").write_text("no video")
    good = [videos / f"{n}.mp4" for n in range(8)]
    config = make_config(data=[*good, bad], out=tmp_path / "run", clip={"max_skipped_share": 0.2})
    run = _run(config)
    assert run.skipped.read_text().count("\n") == 3
    strict = make_config(data=[*good, bad], out=tmp_path / "strict")
    with pytest.raises(DataError, match=r"2 of 10 videos cannot be used; the first: .*empty\.mp4"):
        _run(strict)
    assert not RunFolder(strict.out).holds_run
    _run(make_config(out=strict.out))  # the same folder is free for the next try


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"views": {"local_size_px": 100}}, ConfigError, "100 is no multiple of 16; use 96"),
        ({"batch_size": 5, "accumulate": 2}, ConfigError, "use a multiple of 2"),
        ({"batch_size": 100}, DataError, "8 clips do not fill a batch of 100"),
        ({"optimiser": {"warmup_epochs": 9}}, ConfigError, "warm-up of 9 epochs is 18 steps"),
        ({"data": ["/nowhere"]}, DataError, "/nowhere"),
        ({"clip": {"min_frames": 50}}, DataError, "none of 8 videos can be used"),
    ],
)
def test_what_cannot_work_is_refused_before_it_starts(
    make_config: MakeConfig, changes: dict[str, object], error: type[Exception], message: str
) -> None:
    config = make_config(**changes)
    with pytest.raises(error, match=message):
        _run(config)
    assert not RunFolder(config.out).holds_run


def test_a_disk_without_room_is_refused(
    make_config: MakeConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shutil

    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(9, 9, 0))
    with pytest.raises(RunError, match=r"0\.0 GB free, but 2 checkpoints need"):
        _run(make_config())


def _command(config: PretrainConfig, *extra: str) -> list[str]:
    path = config.out.parent / f"{config.out.name}.yaml"
    path.write_text(config.dump_yaml())
    words = ["endofm", "pretrain", "--preset", str(path), "--data", *map(str, config.data)]
    return [sys.executable, "-m", *words, "--out", str(config.out), *extra]


@pytest.mark.slow
def test_a_killed_run_goes_on_with_the_same_losses(make_config: MakeConfig) -> None:
    whole = make_config(steps=14, save_every=3, num_workers=1)
    subprocess.run(_command(whole), check=True, capture_output=True)
    killed = make_config(steps=14, save_every=3, num_workers=1, out=whole.out.parent / "killed")
    kill_at = int(np.random.default_rng().integers(1, 12))
    process = subprocess.Popen(_command(killed), stderr=subprocess.DEVNULL)
    metrics = RunFolder(killed.out).metrics
    while process.poll() is None and len(list(read_lines(metrics))) < kill_at:
        time.sleep(0.05)
    process.kill()
    process.wait()
    resume = [sys.executable, "-m", "endofm", "pretrain", "--out", str(killed.out), "--resume"]
    done = subprocess.run(resume, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert _numbers(RunFolder(killed.out)) == _numbers(RunFolder(whole.out)), f"killed at {kill_at}"


@pytest.mark.slow
def test_two_processes_give_the_losses_of_one(make_config: MakeConfig) -> None:
    one = make_config(drop_path=0.0, steps=6)
    subprocess.run(_command(one), check=True, capture_output=True)
    two = make_config(drop_path=0.0, steps=6, out=one.out.parent / "two")
    _, _, *words = _command(two)
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*launch, "--module", *words], check=False, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stderr[-2000:]
    losses = [[line["loss"] for line in read_lines(RunFolder(c.out).metrics)] for c in (one, two)]
    np.testing.assert_allclose(losses[1], losses[0], rtol=0, atol=1e-5)
