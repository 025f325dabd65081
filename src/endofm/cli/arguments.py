"""From a command's words to typed arguments, with a mistake told in one line."""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Sequence
from typing import Any, TypeVar

import tyro

from endofm.config import Settings
from endofm.errors import ConfigError

Form = TypeVar("Form", bound=Settings)


def parse(
    form: type[Form], words: Sequence[str], *, prog: str, default: Form | None = None
) -> Form:
    """Read ``words`` as an object of ``form``; ``--help`` prints its fields and exits.

    Raises:
        ConfigError: The words do not fit, saying which and what to type.
    """
    options: dict[str, Any] = {} if default is None else {"default": default}
    with contextlib.redirect_stderr(io.StringIO()) as complaint:
        try:
            return tyro.cli(form, args=list(words), prog=prog, **options)
        except SystemExit as end:
            if end.code in (0, None):
                raise
            told = complaint.getvalue()
    raise ConfigError(_flatten(told), f"see {prog} --help")


def _flatten(box: str) -> str:
    """The text of tyro's framed message, without its title and from the rule before its footer."""
    body = []
    for line in box.splitlines()[1:]:
        text = line.strip("│╭╮╰╯ ")
        if re.fullmatch("─+", text):
            break
        body.append(text)
    told = " ".join(" ".join(body).split())
    return re.sub(r" \[type=.*| For further information visit \S+", "", told)


def option(words: Sequence[str], name: str) -> str | None:
    """The value given to one option, ``--name value`` or ``--name=value``, before parsing."""
    for word, following in zip(words, [*words[1:], None], strict=True):
        if word == name:
            return following
        if word.startswith(f"{name}="):
            return word.removeprefix(f"{name}=")
    return None
