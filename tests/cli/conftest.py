"""Command lines run inside the test's own process."""

from collections.abc import Callable
from typing import NamedTuple

import pytest

from endofm.cli import run


class Outcome(NamedTuple):
    """What a user sees."""

    status: int
    out: str
    err: str


@pytest.fixture
def endofm(capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """``endofm("pretrain", "--data", ...)`` runs a command."""

    def call(*words: object) -> Outcome:
        capsys.readouterr()
        status = run([str(word) for word in words])
        return Outcome(status, *capsys.readouterr())

    return call
