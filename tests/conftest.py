"""What holds for every test: nothing is fetched from the network unless a test says so."""

import gc
import os

# DSPy fetches a price list over the network on the first priced call otherwise.
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "true"


def pytest_collection_finish() -> None:
    """The modules loaded by now are never garbage; walking them takes half a second of every full collection."""
    gc.collect()
    gc.freeze()
