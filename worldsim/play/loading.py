"""How far a world has got that is being made ready, as one bar."""

from __future__ import annotations

from dataclasses import dataclass

# By what is reported: from where to where on the bar, about as long as it takes, and what is told
PARTS: dict[str, tuple[float, float, str]] = {
    "engine": (0.0, 0.4, "starting the engine"),
    "weights": (0.4, 0.8, "reading the weights"),
    "start": (0.8, 1.0, "looking around for the first time"),
}


@dataclass(frozen=True, slots=True)
class Loading:
    """The world that is being made ready; nothing is known yet of its beginning."""

    world: str
    told: str = ""
    share: float = 0.0  # of the bar

    def reported(self, what: str, share: float) -> Loading:
        """After this report; one of something unknown changes nothing, and none goes back."""
        if what not in PARTS:
            return self
        low, high, told = PARTS[what]
        return Loading(self.world, told, max(self.share, low + (high - low) * share))
