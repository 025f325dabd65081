"""Nothing in a file is run, and whatever is wrong with it is said in one line."""

import builtins
import contextlib
import os
import pickle
import zipfile
from argparse import Namespace
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from endofm.engine.torch_file import read_torch_file
from endofm.errors import WeightsError
from tests.checkpoints import assert_same, classifier, pretraining


class Call:
    """Pickles as a call of ``function``."""

    def __init__(self, function: Callable[..., object], *arguments: object) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return self.call


def crimes(witness: Path) -> dict[str, Call]:
    """Calls that would leave a file, by their names in a pickle."""
    touch = f"__import__('pathlib').Path({str(witness)!r}).touch()"
    return {
        f"{os.system.__module__}.system": Call(os.system, f"touch {witness}"),
        "builtins.eval": Call(builtins.eval, touch),
        "builtins.exec": Call(builtins.exec, touch),
        "builtins.getattr": Call(getattr, Path(witness), "touch"),
        "torch.serialization.load": Call(torch.load, str(witness)),
    }


def plain_pickle(tree: dict[str, Any], path: Path) -> None:
    path.write_bytes(pickle.dumps(tree["optimizer"]["param_groups"], protocol=4))


def legacy(tree: object, path: Path) -> None:
    torch.save(tree, path, _use_new_zipfile_serialization=False)


def deep(crime: object) -> dict[str, Any]:
    tree = pretraining()
    tree["optimizer"]["param_groups"][0]["betas"] = (0.9, [{"x": crime}])
    return tree


@pytest.mark.parametrize("write", [torch.save, legacy, plain_pickle])
@pytest.mark.parametrize("name", sorted(crimes(Path())))
def test_a_call_deep_in_a_file_is_named_and_not_made(
    name: str, write: Callable[[object, Path], None], tmp_path: Path
) -> None:
    path, witness = tmp_path / "evil.pth", tmp_path / "witness"
    write(deep(crimes(witness)[name]), path)
    with pytest.raises(WeightsError) as caught:
        read_torch_file(path)
    line = str(caught.value)
    assert str(path) in line
    assert "nothing in it was run; get the weights as .safetensors" in line
    assert f"{name.rpartition('.')[2]}'" in line  # the module has another name in protocol 2
    assert "\n" not in line
    assert not witness.exists()


def test_the_calls_are_dangerous(tmp_path: Path) -> None:
    witness = tmp_path / "witness"
    call = pickle.dumps(crimes(witness)["builtins.exec"])
    pickle.loads(call)  # noqa: S301 - shows that the files above would run
    assert witness.exists()


def test_a_name_that_stood_in_the_text_before_is_still_found(tmp_path: Path) -> None:
    module = os.system.__module__
    content = pickle.dumps(["system", module, "else", Call(os.system, "true")], protocol=4)
    (tmp_path / "x.pth").write_bytes(content)
    with pytest.raises(WeightsError, match=f"run '{module}.system'"):
        read_torch_file(tmp_path / "x.pth")


@pytest.mark.parametrize("value", [Counter("a"), torch.Size([1]), torch.nn.Linear(1, 1), {1, 2}])
def test_types_that_weights_do_not_need_are_refused(value: object, tmp_path: Path) -> None:
    torch.save({"x": value}, tmp_path / "x.pth")
    with pytest.raises(WeightsError, match="which weights do not need"):
        read_torch_file(tmp_path / "x.pth")


def test_globals_allowed_elsewhere_in_the_process_stay_refused(tmp_path: Path) -> None:
    torch.save({"x": Call(complex, 1, 2)}, tmp_path / "x.pth")
    with (
        torch.serialization.safe_globals([complex, Path]),
        pytest.raises(WeightsError, match="complex"),
    ):
        read_torch_file(tmp_path / "x.pth")


def test_what_the_process_allows_is_left_alone(tmp_path: Path) -> None:
    torch.save({"args": Namespace(a=1)}, tmp_path / "x.pth")
    with torch.serialization.safe_globals([Namespace]):
        before = set(torch.serialization.get_safe_globals())
        read_torch_file(tmp_path / "x.pth")
        assert set(torch.serialization.get_safe_globals()) == before


@pytest.mark.parametrize("write", [torch.save, legacy])
@pytest.mark.parametrize("make", [pretraining, classifier])
def test_checkpoints_are_read_in_full(
    make: Callable[[], dict[str, Any]], write: Callable[[object, Path], None], tmp_path: Path
) -> None:
    write(make(), tmp_path / "x.pth")
    assert_same(read_torch_file(tmp_path / "x.pth"), make())


@pytest.mark.parametrize(
    "number",
    [
        np.float64(0.1),
        np.float32(0.1),
        np.float16(-2.0),
        np.float64("nan"),
        np.int64(-(2**62)),
        np.uint8(255),
        np.bool_(True),
    ],
)
def test_numpy_numbers_become_plain_numbers_of_the_same_value(
    number: np.generic, tmp_path: Path
) -> None:
    torch.save({"x": number}, tmp_path / "x.pth")
    assert_same(read_torch_file(tmp_path / "x.pth"), {"x": number.item()})


@pytest.mark.parametrize(
    ("old", "new", "number"),
    [
        (b"numpy._core", b"numpy.core", 0.1),  # as numpy 1 wrote it
        (b"X\x01\x00\x00\x00<", b"X\x01\x00\x00\x00>", np.float64(0.1).byteswap().item()),
    ],
)
def test_numbers_of_other_machines_are_read(
    old: bytes, new: bytes, number: float, tmp_path: Path
) -> None:
    torch.save({"x": np.float64(0.1)}, tmp_path / "here.pth")
    with (
        zipfile.ZipFile(tmp_path / "here.pth") as here,
        zipfile.ZipFile(tmp_path / "there.pth", "w") as there,
    ):
        for name in here.namelist():
            there.writestr(name, here.read(name).replace(old, new))
    assert read_torch_file(tmp_path / "there.pth") == {"x": number}


@pytest.mark.parametrize("value", [np.str_("a"), np.datetime64("2020-01-01"), np.longdouble(1)])
def test_other_numpy_scalars_are_refused(value: np.generic, tmp_path: Path) -> None:
    torch.save({"x": value}, tmp_path / "x.pth")
    with pytest.raises(WeightsError):
        read_torch_file(tmp_path / "x.pth")


def test_a_numpy_array_is_refused(tmp_path: Path) -> None:
    torch.save({"x": np.ones(2)}, tmp_path / "x.pth")
    with pytest.raises(WeightsError, match="_reconstruct"):
        read_torch_file(tmp_path / "x.pth")


def test_files_without_checksums_are_read(tmp_path: Path) -> None:
    torch.serialization.set_crc32_options(False)
    try:
        torch.save({"x": torch.ones(2)}, tmp_path / "x.pth")
    finally:
        torch.serialization.set_crc32_options(True)
    assert read_torch_file(tmp_path / "x.pth")["x"].tolist() == [1, 1]


def test_zipped_tensors_are_mapped_and_not_read(tmp_path: Path) -> None:
    path = tmp_path / "x.pth"
    torch.save({"x": torch.ones(100_000)}, path)
    tensor = read_torch_file(path)["x"]
    maps = Path("/proc/self/maps")
    if maps.exists():
        assert str(path) in maps.read_text()
    tensor[0] = 5  # a private page
    assert read_torch_file(path)["x"][0] == 1


@settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data(), use_legacy=st.booleans())
def test_any_damage_is_a_weights_error_or_harmless(
    data: st.DataObject, use_legacy: bool, tmp_path: Path
) -> None:
    path = tmp_path / "x.pth"
    tree = {"a": torch.ones(3), "b": [np.float64(1), "text"], "args": Namespace(c=(1, None))}
    (legacy if use_legacy else torch.save)(tree, path)
    content = bytearray(path.read_bytes())
    # The legacy format and the zip's pickle both stand within the first kilobyte.
    for position in data.draw(st.lists(st.integers(0, 1000), min_size=1, max_size=4)):
        content[position % len(content)] = data.draw(st.integers(0, 255))
    # A share, since the length differs between writes: the legacy keys are memory addresses.
    kept = data.draw(st.floats(0, 1))
    path.write_bytes(content[: max(1, round(kept * len(content)))])
    with contextlib.suppress(WeightsError):
        read_torch_file(path)
