"""Foundation models for endoscopy video.

    import endofm

    backbone = endofm.load("endofm.safetensors")
    times_s, features = endofm.embed(backbone, "video.mp4")

Names are imported when they are used, so that ``endofm.models`` alone needs nothing but torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from endofm.embedding import embed as embed
    from endofm.engine.loading import load as load
    from endofm.prediction import predict as predict
    from endofm.tasks.classify import finetune as finetune
    from endofm.tasks.classify_config import ClassifyConfig as ClassifyConfig
    from endofm.tasks.classify_evaluate import evaluate as evaluate
    from endofm.tasks.pretrain import pretrain as pretrain
    from endofm.tasks.pretrain_config import PretrainConfig as PretrainConfig

_HOMES = {
    "ClassifyConfig": "endofm.tasks.classify_config",
    "PretrainConfig": "endofm.tasks.pretrain_config",
    "embed": "endofm.embedding",
    "evaluate": "endofm.tasks.classify_evaluate",
    "finetune": "endofm.tasks.classify",
    "load": "endofm.engine.loading",
    "predict": "endofm.prediction",
    "pretrain": "endofm.tasks.pretrain",
}

__all__ = [
    "ClassifyConfig",
    "PretrainConfig",
    "embed",
    "evaluate",
    "finetune",
    "load",
    "predict",
    "pretrain",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'endofm' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
