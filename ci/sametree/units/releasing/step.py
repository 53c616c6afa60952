"""What has every step of a release?"""

from __future__ import annotations

from dataclasses import dataclass

from sametree.stepwise.engine import Step
from sametree.units.releasing.plan import Stage
from sametree.units.releasing.world import World


class Staged(Step):
    """A step of a release: it belongs to a stage."""

    stage: Stage


@dataclass
class One:
    """What all steps have; until the push they are undone."""

    world: World
    stage: Stage = "prepare"
    world_tells: bool = True

    def undo(self) -> None:
        """Nothing was changed that others see."""
