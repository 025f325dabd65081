import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from endofm.catalog.safe_names import safe_names


@given(st.lists(st.text(min_size=1, max_size=300), min_size=1, max_size=8, unique=True))
def test_any_names_become_files_of_their_own_below_the_folder(names: list[str]) -> None:
    safe = safe_names(names)
    assert len({path.casefold() for path in safe}) == len(names)
    with tempfile.TemporaryDirectory() as folder:
        for path in safe:
            assert not Path(path).is_absolute()
            inside = Path(folder, f"{path}.mp4")
            assert inside.resolve().is_relative_to(Path(folder).resolve())
            inside.parent.mkdir(parents=True, exist_ok=True)
            inside.touch()


def test_what_strangers_choose() -> None:
    assert safe_names(["../../etc/passwd", "Polypp 5", "a\nb", "内視鏡/1", "con"])[:4] == [
        "_/_/etc/passwd",
        "Polypp_5",
        "a_b",
        "内視鏡/1",
    ]
    upper, lower = safe_names(["A", "a"])
    assert upper.casefold() != lower.casefold()
