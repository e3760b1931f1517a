"""What holds for every test: nothing is fetched from the network unless a test says so."""

import os

# DSPy fetches a price list over the network on the first priced call otherwise.
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "true"
