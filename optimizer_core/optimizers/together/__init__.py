"""Weights and prompts in turn: BootstrapFinetune and BetterTogether (arXiv 2407.10930), as steps of one run."""
