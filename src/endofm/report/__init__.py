"""Static pages about runs and predictions, made from the files in their folders alone."""

from endofm.report.page import write_report
from endofm.report.prediction import write_prediction_page
from endofm.report.tour import write_tour

__all__ = ["write_prediction_page", "write_report", "write_tour"]
