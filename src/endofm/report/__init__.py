"""Static pages about runs, predictions and data sets, made from files alone."""

from endofm.report.dataset import write_dataset_page
from endofm.report.page import write_report
from endofm.report.prediction import write_prediction_page
from endofm.report.tour import write_tour

__all__ = ["write_dataset_page", "write_prediction_page", "write_report", "write_tour"]
