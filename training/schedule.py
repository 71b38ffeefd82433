"""How a run goes: the learning rate over its course, and its two phases.

The rate rises over `warm_up` steps, stays, and falls as a cosine over the last `decay` share to a hundredth.
The last `finish` share of the steps is a phase of its own: larger patches, some MSE, higher precision.
"""

import dataclasses
import math

LAST_RATE = 0.01


@dataclasses.dataclass(frozen=True)
class Phase:
    patch_px: int  # low resolution
    batch: int
    precision: str  # of the body: "fp32", "tf32", "bf16"
    mse: float  # share of the loss


@dataclasses.dataclass(frozen=True)
class Schedule:
    total: int  # steps
    rate: float
    warm_up: int
    decay: float = 0.2
    finish: float = 0.1

    def rate_at(self, step):
        """Of step 0, 1, ... total - 1."""
        if step < self.warm_up:
            return self.rate * (step + 1) / self.warm_up
        left = (self.total - step) / max(1.0, self.decay * self.total)
        if left >= 1:
            return self.rate
        return self.rate * (LAST_RATE + (1 - LAST_RATE) * 0.5 * (1 - math.cos(math.pi * max(0.0, left))))

    def decays(self, step):
        return step >= self.total * (1 - self.decay)

    def finishes(self, step):
        return step >= self.total * (1 - self.finish)


def planned_total(step, seconds_left, main_seconds, finish_seconds, finish):
    """The total with which a run at `step` ends when its time is over, steps of the phases taking so long; `step`
    itself when there is no time left.

    total - step steps are left, of which finish * total belong to the last phase.
    """
    # (1 - finish) * total - step main steps and finish * total last ones fill the time ...
    total = (seconds_left + step * main_seconds) / ((1 - finish) * main_seconds + finish * finish_seconds)
    if step > (1 - finish) * total:  # ... or the last phase has begun, and only its steps are left
        total = step + seconds_left / finish_seconds
    return max(step, int(total))
