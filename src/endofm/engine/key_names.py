"""Tensors of a checkpoint under other names."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

State = dict[str, Tensor]


def renamed(state: State, beginnings: Mapping[str, str]) -> State:
    """With another beginning of each key that has one of these; the first that fits counts."""
    result = {}
    for key, value in state.items():
        old = next((beginning for beginning in beginnings if key.startswith(beginning)), "")
        result[beginnings.get(old, "") + key.removeprefix(old)] = value
    return result
