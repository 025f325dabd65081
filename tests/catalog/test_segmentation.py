from pathlib import Path

import pytest

from endofm.catalog.segmentation import find_segmented
from endofm.data.segmented import read_segmented
from endofm.errors import ConfigError, DataError
from tests.data.segmented_folders import write_cvc, write_set


@pytest.fixture(scope="module")
def cvc(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What looks like CVC-ClinicDB; do not change it."""
    return write_cvc(tmp_path_factory.mktemp("cvc"), size_hw=(6, 8))


def test_cvc_clinicdb_is_recognised(cvc: Path) -> None:
    found = find_segmented(cvc, val_share=0.5, seed=3)
    assert [len(part) for part in found.splits.values()] == [17, 4, 8]
    original = find_segmented(cvc, original_split=True)
    assert [len(part) for part in original.splits.values()] == [20, 9, 9]
    selected = find_segmented(cvc, select_on_test=True)
    assert selected.splits["val"] == selected.splits["test"]


def test_settings_reach_another_set(tmp_path: Path) -> None:
    write_set(tmp_path)
    assert find_segmented(tmp_path) == read_segmented(tmp_path)
    calls: list[tuple[int, int]] = []
    found = find_segmented(
        tmp_path,
        threshold=255,
        val_share=0.4,
        seed=1,
        select_on_test=True,
        progress=lambda done, total: calls.append((done, total)),
    )
    assert found == read_segmented(tmp_path, val_share=0.4, seed=1, select_on_test=True)
    assert calls[-1] == (30, 30)
    assert list(find_segmented(tmp_path, divide=False).splits) == ["test"]


def test_another_set_has_no_original_split(tmp_path: Path) -> None:
    write_set(tmp_path, "abc")
    with pytest.raises(ConfigError) as caught:
        find_segmented(tmp_path, original_split=True)
    assert str(caught.value) == (
        f"{tmp_path}: is not CVC-ClinicDB, so that there is no original split of it; "
        "set original_split off"
    )


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="none: no such folder; give a folder with frames/"):
        find_segmented(tmp_path / "none")
