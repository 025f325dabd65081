import json
from argparse import Namespace
from collections import Counter, OrderedDict
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from endofm.engine.structure import flatten, unflatten
from endofm.errors import WeightsError
from tests.checkpoints import assert_same

DTYPES = [torch.float32, torch.float64, torch.float16, torch.bfloat16]
DTYPES += [torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool]


def tensors() -> st.SearchStrategy[Tensor]:
    shapes = st.lists(st.integers(0, 3), max_size=3)
    return st.builds(
        lambda shape, dtype: _counted(shape).to(dtype), shapes, st.sampled_from(DTYPES)
    )


def _counted(shape: list[int]) -> Tensor:
    size = int(torch.tensor(shape).prod()) if shape else 1
    return torch.arange(-1.0, size - 1).reshape(shape)


def trees() -> st.SearchStrategy[Any]:
    names = st.text(max_size=4) | st.sampled_from(["$tensor", "a/b", "a", "__metadata__", ""])
    keys = names | st.integers(-2, 2) | st.booleans() | st.none() | st.tuples(st.integers(0, 1))
    leaves = tensors() | st.none() | st.booleans() | st.integers() | st.floats() | names

    def nested(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        return (
            st.lists(inner, max_size=3)
            | st.lists(inner, max_size=3).map(tuple)
            | st.dictionaries(keys, inner, max_size=3)
            | st.dictionaries(keys, inner, max_size=3).map(OrderedDict)
            | st.dictionaries(names, inner, max_size=3).map(_namespace)
        )

    return st.recursive(leaves, nested, max_leaves=12)


def _namespace(values: dict[str, Any]) -> Namespace:
    namespace = Namespace()
    vars(namespace).update(values)
    return namespace


@settings(deadline=None)
@given(trees())
def test_what_is_flattened_comes_back(tree: Any) -> None:
    tensors, structure = flatten(tree)
    assert_same(unflatten(tensors, structure), tree)
    assert all(type(tensor) is Tensor and tensor.is_contiguous() for tensor in tensors.values())


@settings(deadline=None)
@given(trees())
def test_structure_is_strict_json_in_ascii(tree: Any) -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    _, structure = flatten(tree)
    json.loads(structure, parse_constant=refuse)
    assert structure.isascii()


def test_tensors_are_named_after_their_place() -> None:
    place = {"teacher": {"backbone.cls_token": torch.ones(1)}, "state": [{0: torch.ones(1)}]}
    tensors, _ = flatten(place)
    assert list(tensors) == ["teacher/backbone.cls_token", "state/0/0"]


def test_equal_places_get_different_names() -> None:
    tree = {"a/b": torch.zeros(1), "a": {"b": torch.ones(1)}}
    tensors, structure = flatten(tree)
    assert len(tensors) == 2
    assert_same(unflatten(tensors, structure), tree)


def test_reserved_and_unencodable_names_are_replaced() -> None:
    tensors, _ = flatten({"__metadata__": torch.ones(1), "\ud800": torch.ones(1)})
    assert list(tensors) == ["__metadata__'", "?"]


def test_views_and_shared_memory_are_separated() -> None:
    whole = torch.arange(6.0)
    tree = {"part": whole[2:4], "whole": whole, "again": whole, "columns": whole.reshape(2, 3).t()}
    tensors, structure = flatten(tree)
    storages = {tensor.untyped_storage().data_ptr() for tensor in tensors.values()}
    assert len(storages) == 4
    assert all(t.untyped_storage().nbytes() == t.nbytes for t in tensors.values())
    assert_same(unflatten(tensors, structure), tree)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (Counter("a"), "a Counter at 'x/0' cannot be stored"),
        (1j, "a complex at 'x/0'"),
        (torch.ones(1, dtype=torch.complex64), "'x/0' (torch.complex64"),
        (torch.ones(2).to_sparse(), "torch.sparse_coo"),
        (torch.ones(2, device="meta"), "'x/0'"),
    ],
)
def test_what_cannot_be_stored_is_named(value: object, words: str) -> None:
    with pytest.raises(WeightsError) as caught:
        flatten({"x": [value]})
    assert words in str(caught.value)


def test_a_structure_without_end_is_refused() -> None:
    tree: dict[str, Any] = {}
    tree["self"] = tree
    with pytest.raises(WeightsError, match="nested without end"):
        flatten(tree)


@pytest.mark.parametrize(
    "structure",
    [
        "{",
        '{"$tensor": "absent"}',
        '{"$unknown": 1}',
        '{"$dict": [[[], 1]]}',
        '{"$dict": 3}',
        '{"$ordered": [[]]}',
        '{"$namespace": [1]}',
        '{"$float": "one"}',
        "[" * 100_000,
    ],
)
def test_a_damaged_structure_is_refused(structure: str) -> None:
    with pytest.raises(WeightsError, match="structure is damaged"):
        unflatten({}, structure)
