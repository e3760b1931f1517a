"""The receipt of a run: what was asked for, what took effect, with which data, models and libraries."""

from mipro_studio.ui.frame import SETTINGS
from mipro_studio.ui.of_run import page_of_run
from mipro_studio.ui.settings_view import receipt

with page_of_run(SETTINGS) as opened:
    if opened is not None:
        receipt(*opened)
