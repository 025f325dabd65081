"""The names that users type in Python, and what importing a part of them costs."""

import subprocess
import sys

import pytest

import endofm


def test_the_promised_names_are_there() -> None:
    for name in endofm.__all__:
        assert callable(getattr(endofm, name))
        assert name in dir(endofm)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = endofm.nothing


def test_names_stay_functions_after_their_modules_are_imported() -> None:
    import endofm.embedding
    import endofm.tasks.pretrain

    assert endofm.embed is endofm.embedding.embed
    assert endofm.pretrain is endofm.tasks.pretrain.pretrain


@pytest.mark.slow
def test_models_and_objectives_need_torch_and_numpy_alone() -> None:
    program = (
        "import sys, endofm.models, endofm.objectives.dino\n"
        "banned = {'av', 'cv2', 'accelerate', 'pydantic', 'safetensors', 'sklearn', 'matplotlib'}\n"
        "print(sorted(banned & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )
    assert done.stdout.strip() == "[]"
