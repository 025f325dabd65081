"""The templates of all pages, strict about what they are given and wary of what it holds."""

from __future__ import annotations

from jinja2 import Environment, PackageLoader, StrictUndefined

from endofm.report import wording


def page_environment() -> Environment:
    """Where templates come from; text in values is escaped, unknown names are errors."""
    environment = Environment(
        loader=PackageLoader("endofm", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["clock"] = wording.clock
    return environment
