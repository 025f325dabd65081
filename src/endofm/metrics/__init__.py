"""Measures of quality, each defined for empty input."""
