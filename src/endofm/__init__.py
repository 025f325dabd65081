"""Foundation models for endoscopy video.

    import endofm

    backbone = endofm.load("endofm.safetensors")
    times_s, features = endofm.embed(backbone, "video.mp4")

Names are imported when they are used, so that ``endofm.models`` alone needs nothing but torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from endofm.by_task import evaluate as evaluate
    from endofm.by_task import finetune as finetune
    from endofm.embedding import embed as embed
    from endofm.engine.loading import load as load
    from endofm.prediction import predict as predict
    from endofm.prediction.stream import Stream as Stream
    from endofm.tasks.classify_config import ClassifyConfig as ClassifyConfig
    from endofm.tasks.detect_config import DetectConfig as DetectConfig
    from endofm.tasks.pretrain import pretrain as pretrain
    from endofm.tasks.pretrain_config import PretrainConfig as PretrainConfig
    from endofm.tasks.segment_config import SegmentConfig as SegmentConfig

_HOMES = {
    "ClassifyConfig": "endofm.tasks.classify_config",
    "DetectConfig": "endofm.tasks.detect_config",
    "PretrainConfig": "endofm.tasks.pretrain_config",
    "SegmentConfig": "endofm.tasks.segment_config",
    "Stream": "endofm.prediction.stream",
    "embed": "endofm.embedding",
    "evaluate": "endofm.by_task",
    "finetune": "endofm.by_task",
    "load": "endofm.engine.loading",
    "predict": "endofm.prediction",
    "pretrain": "endofm.tasks.pretrain",
}

__all__ = [
    "ClassifyConfig",
    "DetectConfig",
    "PretrainConfig",
    "SegmentConfig",
    "Stream",
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
