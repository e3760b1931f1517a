"""Should this program take the other's place? Both are asked on the same rows until the answer is clear."""
