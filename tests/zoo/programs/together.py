"""Programs that ask for several things at once."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import dspy


class Both(dspy.Module):
    def __init__(self):
        super().__init__()
        self.notes = dspy.Predict("text -> notes")
        self.ask = dspy.Predict("text -> answer")


class ByParallel(Both):
    def forward(self, text):
        pairs = [(self.notes, {"text": text}), (self.ask, {"text": text})]
        notes, answer = dspy.Parallel(num_threads=2, disable_progress_bar=True)(pairs)
        return dspy.Prediction(notes=notes.notes, answer=answer.answer)


class ByBatch(Both):
    def forward(self, text):
        examples = [dspy.Example(text=text).with_inputs("text"), dspy.Example(text=f"Again: {text}").with_inputs("text")]
        first, _ = self.ask.batch(examples, num_threads=2, disable_progress_bar=True)
        return dspy.Prediction(notes=self.notes(text=text).notes, answer=first.answer)


class ByPool(Both):
    """A pool of one's own, which knows nothing of DSPy's context."""

    def forward(self, text):
        with ThreadPoolExecutor(2) as pool:
            notes = pool.submit(self.notes, text=text)
            answer = pool.submit(self.ask, text=text)
            return dspy.Prediction(notes=notes.result().notes, answer=answer.result().answer)


class ByThread(Both):
    def forward(self, text):
        found = {}
        threads = [
            threading.Thread(target=lambda: found.update(notes=self.notes(text=text).notes)),
            threading.Thread(target=lambda: found.update(answer=self.ask(text=text).answer)),
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return dspy.Prediction(**found)


class ByLoop(Both):
    """asyncio.run inside a plain forward."""

    async def both(self, text):
        return await asyncio.gather(self.notes.acall(text=text), self.ask.acall(text=text))

    def forward(self, text):
        notes, answer = asyncio.run(self.both(text))
        return dspy.Prediction(notes=notes.notes, answer=answer.answer)


class OnlyAsync(Both):
    """No forward at all."""

    async def aforward(self, text):
        notes, answer = await asyncio.gather(self.notes.acall(text=text), self.ask.acall(text=text))
        return dspy.Prediction(notes=notes.notes, answer=answer.answer)


class BySyncify(dspy.Module):
    """An asynchronous module made a plain one."""

    def __init__(self):
        super().__init__()
        self.both = dspy.syncify(OnlyAsync())

    def forward(self, text):
        return self.both(text=text)


class ByAsyncify(Both):
    """Blocking calls put into threads from a coroutine."""

    def forward(self, text):
        async def run():
            return await asyncio.gather(dspy.asyncify(self.notes)(text=text), dspy.asyncify(self.ask)(text=text))

        notes, answer = asyncio.run(run())
        return dspy.Prediction(notes=notes.notes, answer=answer.answer)


def metric(example, pred, trace=None):
    return pred.answer == example.answer and bool(pred.notes)
