"""The receipt of a run: what was asked for, what took effect, with which data, models and libraries."""

from mipro_studio.ui.page.frame import SETTINGS
from mipro_studio.ui.page.of_run import page_of_run
from mipro_studio.ui.settings.settings_view import receipt

with page_of_run(SETTINGS) as opened:
    if opened is not None:
        receipt(*opened)
