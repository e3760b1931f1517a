"""The studio called from Python, with objects of the caller's process: `mipro_studio.optimize` and its like."""
