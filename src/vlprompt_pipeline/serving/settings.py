"""How a server batches and how much it takes at once."""

from __future__ import annotations

from dataclasses import dataclass, field

from vlprompt_pipeline.errors import ConfigError
from vlprompt_pipeline.processes import usable_cores
from vlprompt_pipeline.registry.limits import RequestLimits


@dataclass(frozen=True)
class ServingSettings:
    """Settings of a server. The defaults are our choice.

    Attributes:
        limits: on one request.
        batch: images in the model at once, at most.
        delay: seconds that the first image of a batch waits for others.
        waiting: images of all requests that are under way; more are answered with 503.
        decoders: images that are decoded at once; together with `limits.pixels` this bounds the
            memory.
    """

    limits: RequestLimits = field(default_factory=RequestLimits)
    batch: int = 32
    delay: float = 0.005
    waiting: int = 256
    decoders: int = field(default_factory=usable_cores)

    def __post_init__(self) -> None:
        """Raise ConfigError for settings under which a request could never be answered."""
        if self.waiting < self.limits.rows:
            raise ConfigError(
                f"{self.waiting} images may wait, but a single request may hold "
                f"{self.limits.rows}: let more wait, or allow fewer rows"
            )

    @property
    def bodies(self) -> int:
        """Bytes of all requests that are being read or answered, at most."""
        return 4 * self.limits.bytes
