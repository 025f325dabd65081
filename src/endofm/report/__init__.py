"""Static pages about runs, made from the files of a run folder alone."""

from endofm.report.page import write_report

__all__ = ["write_report"]
