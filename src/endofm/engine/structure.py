"""A checkpoint's nested structure as flat tensors and one line of JSON, and back, without loss.

A tensor is named after its place, ``student/module.backbone.cls_token``. What JSON has itself
(null, booleans, numbers, text, lists, dictionaries with text as keys) stays as it is; anything
else is an object with one key that starts with ``$``.
"""

from __future__ import annotations

import json
import math
from argparse import Namespace
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from endofm.errors import WeightsError

_DTYPES = {
    torch.float64,
    torch.float32,
    torch.float16,
    torch.bfloat16,
    torch.int64,
    torch.int32,
    torch.int16,
    torch.int8,
    torch.uint8,
    torch.bool,
}


def flatten(tree: Any) -> tuple[dict[str, Tensor], str]:
    """Split nested values into their tensors and the rest.

    Args:
        tree: Tensors, None, booleans, numbers and text, nested in lists, tuples, dictionaries
            with keys of these types, ordered dictionaries and ``argparse.Namespace``.

    Returns:
        The tensors by unique name, as ``separate`` gives them, and the structure as JSON.

    Raises:
        WeightsError: A value is of another type, or nested too deeply.
    """
    tensors: dict[str, Tensor] = {}
    try:
        encoded = _encode(tree, "", tensors)
        return separate(tensors), json.dumps(encoded, allow_nan=False)
    except RecursionError:
        raise WeightsError("the checkpoint is nested without end") from None


def unflatten(tensors: Mapping[str, Tensor], structure: str) -> Any:
    """Put together again what ``flatten`` took apart.

    Raises:
        WeightsError: The structure is damaged or does not belong to these tensors.
    """
    try:
        return _decode(json.loads(structure), tensors)
    except (AttributeError, LookupError, TypeError, ValueError, RecursionError) as error:
        raise WeightsError("the stored structure is damaged") from error


def separate(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors on the CPU, contiguous, each with memory of its own; copied where need be."""
    seen: set[int] = set()
    separate = {}
    for name, tensor in tensors.items():
        plain = tensor.detach().cpu().contiguous()
        storage = plain.untyped_storage()
        if storage.nbytes() != plain.nbytes or storage.data_ptr() in seen:
            plain = plain.clone()
        seen.add(plain.untyped_storage().data_ptr())
        separate[name] = plain
    return separate


def _encode(value: Any, path: str, tensors: dict[str, Tensor]) -> Any:
    encode = _ENCODERS.get(type(value))
    if encode is None:
        raise WeightsError(
            f"a {type(value).__name__} at {path or 'the top'!r} cannot be stored",
            "only tensors, numbers, text and lists or dictionaries of them can",
        )
    return encode(value, path, tensors)


def _encode_plain(value: Any, _path: str, _tensors: dict[str, Tensor]) -> Any:
    return value


def _encode_float(value: float, _path: str, _tensors: dict[str, Tensor]) -> Any:
    return value if math.isfinite(value) else {"$float": str(value)}


def _encode_tensor(value: Tensor, path: str, tensors: dict[str, Tensor]) -> Any:
    if value.dtype not in _DTYPES or value.layout != torch.strided or value.is_meta:
        raise WeightsError(
            f"the tensor {path!r} ({value.dtype}, {value.layout}) cannot be stored",
            "convert it to a dense tensor of an ordinary type first",
        )
    name = path.encode(errors="replace").decode() or "tensor"
    while name in tensors or name == "__metadata__":  # that one is safetensors' own
        name += "'"  # also where {"a/b": x} stands beside {"a": {"b": y}}
    tensors[name] = value
    return {"$tensor": name}


def _encode_list(value: list[Any], path: str, tensors: dict[str, Tensor]) -> Any:
    return [_encode(item, _join(path, i), tensors) for i, item in enumerate(value)]


def _encode_tuple(value: tuple[Any, ...], path: str, tensors: dict[str, Tensor]) -> Any:
    return {"$tuple": _encode_list(list(value), path, tensors)}


def _encode_pairs(value: dict[Any, Any], path: str, tensors: dict[str, Tensor]) -> Any:
    return [
        [_encode(key, path, tensors), _encode(item, _join(path, key), tensors)]
        for key, item in value.items()
    ]


def _encode_dict(value: dict[Any, Any], path: str, tensors: dict[str, Tensor]) -> Any:
    if all(type(key) is str and not key.startswith("$") for key in value):
        return {key: _encode(item, _join(path, key), tensors) for key, item in value.items()}
    return {"$dict": _encode_pairs(value, path, tensors)}


def _encode_ordered(value: OrderedDict[Any, Any], path: str, tensors: dict[str, Tensor]) -> Any:
    # A module's state_dict() carries the versions of its modules as an attribute.
    attributes = _encode_dict(vars(value), _join(path, "$attributes"), tensors)
    return {"$ordered": [_encode_pairs(value, path, tensors), attributes]}


def _encode_namespace(value: Namespace, path: str, tensors: dict[str, Tensor]) -> Any:
    return {"$namespace": _encode_dict(vars(value), path, tensors)}


def _join(path: str, key: Any) -> str:
    return f"{path}/{key}" if path else str(key)


_ENCODERS: dict[type, Callable[[Any, str, dict[str, Tensor]], Any]] = {
    type(None): _encode_plain,
    bool: _encode_plain,
    int: _encode_plain,
    str: _encode_plain,
    float: _encode_float,
    Tensor: _encode_tensor,
    nn.Parameter: _encode_tensor,
    list: _encode_list,
    tuple: _encode_tuple,
    dict: _encode_dict,
    OrderedDict: _encode_ordered,
    Namespace: _encode_namespace,
}


def _decode(value: Any, tensors: Mapping[str, Tensor]) -> Any:
    if isinstance(value, list):
        return [_decode(item, tensors) for item in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1 and next(iter(value)).startswith("$"):
        tag, content = next(iter(value.items()))
        return _DECODERS[tag](content, tensors)
    return {key: _decode(item, tensors) for key, item in value.items()}


def _decode_tensor(name: str, tensors: Mapping[str, Tensor]) -> Tensor:
    return tensors[name]


def _decode_float(text: str, _tensors: Mapping[str, Tensor]) -> float:
    return float(text)


def _decode_tuple(items: list[Any], tensors: Mapping[str, Tensor]) -> tuple[Any, ...]:
    return tuple(_decode(items, tensors))


def _decode_dict(pairs: list[Any], tensors: Mapping[str, Tensor]) -> dict[Any, Any]:
    return {_decode(key, tensors): _decode(item, tensors) for key, item in pairs}


def _decode_ordered(content: list[Any], tensors: Mapping[str, Tensor]) -> OrderedDict[Any, Any]:
    pairs, attributes = content
    ordered = OrderedDict(_decode_dict(pairs, tensors))
    vars(ordered).update(_decode(attributes, tensors))
    return ordered


def _decode_namespace(content: Any, tensors: Mapping[str, Tensor]) -> Namespace:
    namespace = Namespace()
    vars(namespace).update(_decode(content, tensors))
    return namespace


_DECODERS: dict[str, Callable[[Any, Mapping[str, Tensor]], Any]] = {
    "$tensor": _decode_tensor,
    "$float": _decode_float,
    "$tuple": _decode_tuple,
    "$dict": _decode_dict,
    "$ordered": _decode_ordered,
    "$namespace": _decode_namespace,
}
