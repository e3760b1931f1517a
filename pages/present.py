"""A run for a meeting: five slides over the whole window, moved by keys. The URL names run and slide."""

from mipro_studio.ui.page.frame import PRESENT
from mipro_studio.ui.page.of_run import page_of_run
from mipro_studio.ui.present.present_view import present

with page_of_run(PRESENT, bare=True) as opened:
    if opened is not None:
        present(*opened)
