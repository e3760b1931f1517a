"""Whether refusals come from going too fast, or come whatever the pace.

A limit refuses (nearly) nothing below it, so a slower pace ends its refusals. An endpoint that is overloaded by
others, or that answers 429 for reasons of its own, refuses the same share of calls at any pace; slowing down for each
of those would end in standing still. So when slowing down several times in a row was followed by another refusal
soon, the pace is raised again for a trial: if no more calls are refused than before, that share is the background,
and from then on only what is clearly more than it counts as a limit.
"""

import math

__all__ = ["RefusalCause"]

IN_A_ROW, MORE_IN_A_ROW = 3, 3
"""Cuts of the pace of no use after which a trial is made, and how many more after each trial that showed a limit."""
SAID = 0.3
"""What a cut counts among these where the endpoint said when to come back."""
FASTER = 1.25
"""The trial's pace, of the one before those cuts: a limit would refuse at least a fifth of it."""
HIGHEST_SHARE = 0.22
"""More than this is never taken for background: an endpoint that refuses so many is to be spared."""
FLOOR, BACK = 0.4, 0.6
"""Of that pace: the least during those cuts, and what is gone back to when the trial has shown a limit."""
LEAST_SHARE = 0.001
FIRST_SHARE = 0.03
"""Background that a run begins with: one refusal among many answers says nothing yet, two in a row do."""
CERTAIN, CERTAIN_IN_TRIAL, CERTAIN_AT_FIRST = 7.0, 5.5, 3.0
"""Log likelihood ratio at which refusals are more than the background explains."""
TRIAL = 5.0
"""How long a trial is, in calls between two refusals of the background."""
STRETCH, KEPT = 8.0, 0.8
"""The share is learnt on in stretches so long, in calls between two refusals; what is kept of what was known."""
SILENCES = 10.0
"""Without a refusal in so many times the calls between two of the background's, there is no background any more."""


class RefusalCause:
    """Hears how calls end and says which refusals are a reason to slow down.

    Attributes:
        background: Share of calls that is refused whatever the pace; 0 = there is none.
    """

    def __init__(self) -> None:
        self.background = FIRST_SHARE
        self._certain = CERTAIN_AT_FIRST
        self._evidence = 0.0
        self._silence = 0
        self._known = (0.0, 0.0)
        """(calls, refusals) that the background is learnt from."""
        self._calls = self._refused = 0
        self._in_trial, self._trial_left = False, 0
        self._slow = 0.0
        self._row = 0.0
        self._fast = 0.0
        self._needed = IN_A_ROW

    def answered(self, free: bool) -> None:
        """A call was answered; `free`: nothing was held back."""
        self._calls += 1
        self._silence += 1
        if not (share := self.background):
            return
        self._evidence = max(0.0, self._evidence + math.log((1.0 - _limited(share)) / (1.0 - share)))
        self._trial_goes_on(free)
        if self._silence * share > SILENCES:
            self.background = 0.0
        elif self._calls * share >= STRETCH and not self._in_trial:
            self._learn(free)

    def _trial_goes_on(self, free: bool) -> None:
        """A trial is over when it was long enough and nothing is held back any more."""
        if not self._in_trial:
            return
        self._trial_left = max(0, self._trial_left - 1)
        if self._trial_left == 0:
            self._certain = CERTAIN
            self._in_trial = not free

    def _learn(self, free: bool) -> None:
        """Take a stretch in which nothing was wrong into the background's share."""
        calls, refused = self._known
        self._known = (KEPT * calls + self._calls, KEPT * refused + self._refused)
        share = self._known[1] / self._known[0]
        if not free:  # some refusals may be the limit's
            share = min(self.background, self._refused / self._calls)
        self._calls = self._refused = 0
        self.background = min(share, HIGHEST_SHARE) if share >= LEAST_SHARE else 0.0

    def refused(self, said: bool) -> bool:
        """Whether this refusal, with those before it, is a reason to slow down; `said`: as in `cut`."""
        self._calls += 1
        self._refused += 1
        self._silence = 0
        if not self.background:
            return True
        self._evidence += math.log(_limited(self.background) / self.background)
        self._trial_goes_on(False)
        return self._evidence >= self._certain or (said and self._certain == CERTAIN_AT_FIRST)

    def cut(self, rate: float, early: bool, said: bool) -> float | None:
        """The pace is to be cut, from `rate` calls a second.

        Args:
            early: The last cut was so short ago that it seems to have been of no use.
            said: The endpoint said when to come back, as those with a limit do.

        Returns:
            The rate to go to instead: of a trial, or of before a trial that has shown a limit.
        """
        self._evidence = 0.0
        if self._in_trial:
            return self._refuted()
        if self._certain == CERTAIN_AT_FIRST:
            self.background, self._certain = 0.0, CERTAIN
        self._row = self._row + (SAID if said else 1.0) if early else max(0.0, self._row - 1.0)
        if self._row == 0.0:
            self._fast = rate
            self._calls = self._refused = 0
        elif self._row >= self._needed and self._share <= HIGHEST_SHARE:
            return self._trial(rate)
        return None

    @property
    def _share(self) -> float:
        """Of the calls since the row of cuts began, what was refused."""
        return self._refused / max(1, self._calls)

    def _trial(self, rate: float) -> float:
        """The pace of a trial, after it has come down to `rate`."""
        self.background = max(self._share, LEAST_SHARE)
        self._known = (float(self._calls), float(self._refused))
        self._calls = self._refused = 0
        self._row, self._slow = 0.0, rate
        self._in_trial, self._trial_left = True, math.ceil(TRIAL / self.background)
        self._certain = CERTAIN_IN_TRIAL
        return FASTER * self._fast

    def _refuted(self) -> float | None:
        """A trial has ended in more refusals than the background explains. Returns as `cut` does."""
        self._in_trial = False
        self._calls = self._refused = 0
        if self._trial_left == 0:  # it went well, until the pace was higher yet
            self.background /= 2.0
            return None
        self.background = 0.0
        self._needed += MORE_IN_A_ROW
        return max(self._slow, BACK * self._fast)

    def least_rate(self) -> float:
        """A limit below this would have refused more calls than were refused since the row of cuts began."""
        return FLOOR * self._fast if self._row > 0.0 and self._share <= HIGHEST_SHARE else 0.0


def _limited(background: float) -> float:
    """Share of calls refused beyond a limit, to compare with: clearly more than the background."""
    return 2.0 * background + 0.2
