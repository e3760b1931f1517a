"""Finetuning of the embedded model by low-rank adapters (LoRA, arXiv 2106.09685), on the processor, with numpy alone.

`network` reads the frozen weights, `lora` holds what is trained, `batch` packs rows, `gradients` is the forward and
backward pass, `training` the loop with its checkpoints. The pass is checked against finite differences in the tests.
"""
