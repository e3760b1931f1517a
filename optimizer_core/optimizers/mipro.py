"""MIPRO: instructions and demos chosen together by a surrogate (section 4.3, appendix F.5; card 8)."""

import asyncio

from optimizer_core.kit import Kit
from optimizer_core.optimizers.base import View
from optimizer_core.surrogates import Surrogate, TpeSurrogate
from optimizer_core.types import Candidate

__all__ = ["Mipro"]


class Mipro:
    name = "mipro"
    summary = "Instructions and demos of all predictors, chosen together by multivariate TPE on minibatches."

    def __init__(self, surrogate: Surrogate | None = None) -> None:
        self._surrogate = surrogate or TpeSurrogate()

    async def initialize(self, kit: Kit) -> None:
        n = kit.config.search.candidates
        _, context = await asyncio.gather(kit.bootstrap(n), kit.grounding())
        await kit.propose(n, context)

    async def propose(self, kit: Kit, view: View) -> Candidate | None:
        return self._surrogate.suggest(kit.space, view.observed, view.pending, view.exhausted, view.seed)
