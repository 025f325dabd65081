from pathlib import Path

import pytest
from pydantic import PositiveInt

from endofm.config import Settings, differences, preset_names, read_preset, read_yaml
from endofm.errors import ConfigError


class Inner(Settings):
    num_local: PositiveInt = 8
    """Views."""


class Outer(Settings):
    name: str
    sizes: tuple[int, ...] = (1, 2)
    views: Inner = Inner()


def test_yaml_round_trip(tmp_path: Path) -> None:
    settings = Outer(name="x", sizes=(3,), views=Inner(num_local=2))
    path = tmp_path / "config.yaml"
    path.write_text(settings.dump_yaml())
    assert Outer.parse(read_yaml(path)) == settings


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"name": "x", "views": {"num_locals": 2}}, r"\[views\] has no setting 'num_locals'; did"),
        ({"name": "x", "naem": 2}, r"settings has no setting 'naem'; did you mean 'name'"),
        ({"name": "x", "zzz": 2}, r"no setting 'zzz'; see --help"),
        ({"name": "x", "views": {"num_local": 0}}, r"\[views\] 'num_local': .*greater than 0"),
        ({}, "'name': Field required"),
    ],
)
def test_a_wrong_setting_is_named_with_its_cure(values: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Outer.parse(values)


def test_numbers_are_finite() -> None:
    class Rate(Settings):
        fps: float = 30.0

    for value in ("inf", "nan", float("inf")):
        with pytest.raises(ConfigError, match="'fps': Input should be a finite number"):
            Rate.parse({"fps": value})


def test_settings_cannot_change() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Inner().num_local = 3


def test_differences_are_dotted_names() -> None:
    old = Outer(name="x")
    assert differences(old, old) == []
    new = Outer(name="y", views=Inner(num_local=1))
    assert differences(old, new) == ["name", "views.num_local"]


def test_unknown_preset_lists_the_known_ones() -> None:
    assert preset_names("pretrain") == ["paper", "small", "tiny"]
    with pytest.raises(ConfigError, match=r"no preset 'papr' for pretrain; choose paper, small"):
        read_preset("pretrain", "papr")


def test_a_users_own_file_is_a_preset(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("epochs: 3\n")
    assert read_preset("pretrain", str(path)) == {"epochs": 3}


@pytest.mark.parametrize("text", ["[1, 2]", "a: [", ""])
def test_a_file_that_is_no_mapping_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"bad\.yaml"):
        read_yaml(path)
