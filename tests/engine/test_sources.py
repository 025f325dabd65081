from pathlib import Path

import huggingface_hub
import pytest
from huggingface_hub import errors

from endofm.engine.sources import locate, network_files
from endofm.errors import WeightsError


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[tuple[str, str]]:
    """What the Hub is asked for, in an empty working folder."""
    questions: list[tuple[str, str]] = []

    def download(repository: str, file: str) -> str:
        questions.append((repository, file))
        return str(tmp_path / "cache" / file)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    monkeypatch.chdir(tmp_path)
    return questions


def checkpoint(folder: Path, *networks: str) -> Path:
    folder.mkdir(parents=True)
    for network in networks:
        (folder / f"{network}.safetensors").touch()
    return folder


def test_a_file_is_itself(tmp_path: Path) -> None:
    (tmp_path / "a.pth").touch()
    assert locate(tmp_path / "a.pth") == locate(str(tmp_path / "a.pth")) == tmp_path / "a.pth"


def test_the_home_folder_may_be_written_short(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "a.pth").touch()
    assert locate("~/a.pth") == tmp_path / "a.pth"


def test_a_run_stands_for_its_newest_checkpoint(tmp_path: Path) -> None:
    run = tmp_path / "run"
    checkpoint(run / "checkpoints" / "step-000001", "student", "teacher")
    newest = checkpoint(run / "checkpoints" / "step-000002", "student", "teacher")
    (run / "checkpoints" / "last").symlink_to(newest.name)
    assert locate(run).resolve() == newest.resolve()
    assert list(network_files(locate(run))) == ["teacher", "student"]


def test_a_checkpoint_folder_is_itself(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "step-000001", "teacher")
    assert locate(folder) == folder


@pytest.mark.parametrize("inside", ["", "checkpoints", "checkpoints/step-000001"])
def test_a_folder_without_checkpoint_is_refused(inside: str, tmp_path: Path) -> None:
    (tmp_path / "run" / inside).mkdir(parents=True)
    with pytest.raises(WeightsError) as caught:
        locate(tmp_path / "run")
    assert str(caught.value) == (
        f"{tmp_path}/run holds no finished checkpoint; "
        "name a weights file, a run folder or a folder checkpoints/step-N of one"
    )


@pytest.mark.parametrize(
    ("text", "question"),
    [
        ("org/name", ("org/name", "model.safetensors")),
        ("org/endo-fm_v1.0", ("org/endo-fm_v1.0", "model.safetensors")),
        ("org/name/teacher.safetensors", ("org/name", "teacher.safetensors")),
    ],
)
def test_hub_ids_are_asked_of_the_hub(
    text: str, question: tuple[str, str], asked: list[tuple[str, str]], tmp_path: Path
) -> None:
    assert locate(text) == tmp_path / "cache" / question[1]
    assert asked == [question]


@pytest.mark.parametrize(
    "text",
    [
        "name",
        "name.pth",
        "org/name.pth",
        "org/name.safetensors",
        "org/name/file.pth",
        "org/name/sub/file.safetensors",
        "./org/name",
        "../org/name",
        "/org/name",
        "~/org/name",
        "org\\name",
        "org/name/",
        "C:/name",
        "here/name",
        "here/name/file.safetensors",
        "org/na me",
    ],
)
def test_what_looks_like_a_path_is_never_sent_to_the_hub(
    text: str, asked: list[tuple[str, str]], tmp_path: Path
) -> None:
    (tmp_path / "here").mkdir()
    with pytest.raises(WeightsError) as caught:
        locate(text)
    assert str(caught.value) == (
        f"{text}: no such file or folder; check the path: a run's folder, a weights file or "
        "OWNER/NAME on the Hub is wanted"
    )
    assert not asked


def test_a_path_object_is_never_sent_to_the_hub(asked: list[tuple[str, str]]) -> None:
    with pytest.raises(WeightsError, match="no such file or folder"):
        locate(Path("org/name"))
    assert not asked


def test_what_exists_here_is_never_sent_to_the_hub(
    asked: list[tuple[str, str]], tmp_path: Path
) -> None:
    checkpoint(tmp_path / "org" / "name", "teacher")
    assert locate("org/name") == Path("org/name")
    assert not asked


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (errors.OfflineModeIsEnabled("offline"), "and the Hub cannot be reached; check the path"),
        (errors.LocalEntryNotFoundError("gone"), "and the Hub cannot be reached; check the path"),
        (ConnectionError("no route"), "and the Hub cannot be reached; check the path"),
        (errors.HFValidationError("bad"), "and the Hub cannot be reached; check the path"),
    ],
)
def test_an_unreachable_hub_is_one_line(
    error: Exception, words: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    check_hub_error(error, words, monkeypatch, tmp_path)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (errors.RepositoryNotFoundError, "and none of that name on the Hub; check the name"),
        (errors.GatedRepoError, "and the Hub asks for permission; ask for access"),
        (errors.RemoteEntryNotFoundError, "and on the Hub it has no model.safetensors; name one"),
        (errors.HfHubHTTPError, "and the Hub cannot be reached; check the path"),
    ],
)
def test_what_the_hub_refuses_is_one_line(
    kind: type[errors.HfHubHTTPError], words: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    error = kind.__new__(kind)  # a real one needs the answer of a server
    check_hub_error(error, words, monkeypatch, tmp_path)


def check_hub_error(
    error: Exception, words: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def fail(repository: str, file: str) -> str:
        raise error

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", fail)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(WeightsError) as caught:
        locate("org/name")
    assert str(caught.value).startswith(f"org/name: no such path here, {words}")
    assert "\n" not in str(caught.value)
