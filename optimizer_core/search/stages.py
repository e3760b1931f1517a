"""How many cells a racing trial asks for. Free of numpy: plans are drawn from it too."""

__all__ = ["next_stage", "stages"]


def next_stage(known: int, n: int, step: int) -> int:
    """Cells of the next trial of a candidate that has `known` of `n`: `step` at first, then as many again as it has.

    All that are left, where the rest would be too little for a step of its own.
    """
    size, rest = max(step, known), n - known
    return rest if rest < size + step else size


def stages(n: int, step: int) -> list[int]:
    """Cells of every trial from the first to the full evaluation on `n` examples."""
    found: list[int] = []
    while sum(found) < n:
        found.append(next_stage(sum(found), n, step))
    return found
