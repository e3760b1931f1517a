"""Rows of a run: read from files or Python, cleaned, split, and reported on before anything is paid for."""

from mipro_studio.optimizer_core.data.fields import Columns, Fields, end_outputs, is_missing
from mipro_studio.optimizer_core.data.gathering import Gathered, gather, gathered_rows
from mipro_studio.optimizer_core.data.lines import example_id
from mipro_studio.optimizer_core.data.loading import Dataset, Repeats, load_dataset
from mipro_studio.optimizer_core.data.reading import Table, read_table
from mipro_studio.optimizer_core.data.report import data_report
from mipro_studio.optimizer_core.data.splitting import split_places, units_of

__all__ = [
    "Columns",
    "Dataset",
    "Fields",
    "Gathered",
    "Repeats",
    "Table",
    "data_report",
    "end_outputs",
    "example_id",
    "gather",
    "gathered_rows",
    "is_missing",
    "load_dataset",
    "read_table",
    "split_places",
    "units_of",
]
