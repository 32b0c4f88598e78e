"""How a network is trained, as data."""

from __future__ import annotations

from dataclasses import dataclass, replace

from tagging_lib.errors import TaggingError
from tagging_lib.training.augment import NONE

OPTIMIZERS = ("sgd", "adamw")
SCHEDULES = ("one-cycle", "cosine", "constant")
LOSSES = ("bce", "focal", "asymmetric")


@dataclass(frozen=True)
class Recipe:
    """The defaults are the original's.

    Attributes:
        learning_rate: the highest of the schedule.
        optimizer: `sgd` (Nesterov) or `adamw`.
        momentum: base and maximum; one-cycle moves it from the maximum to the base and back. SGD without it uses the maximum.
        pos_weight: weight positives by negatives ÷ positives of the training part.
        augmentation: `original`, `none`, or transforms joined by `+`.
        patience: epochs without a better validation F1 after which training stops; None never stops early.
        keep: the epoch that is kept: `best` on validation F1, or `last`.
        monitor_threshold: probability at which the F1 of each epoch is taken.
        monitor_photos: how many training photos, always the same, give the training loss and F1 of each epoch.
        mixup: α of the Beta distribution by which pairs of photos are mixed, with their targets (Zhang et al., ICLR 2018);
            0 mixes none.
        ema: share of the past in a running average of the weights, which is what is monitored and kept (Polyak and Juditsky,
            1992); 0 keeps the weights themselves.
        backbone_rate: learning rate of the backbone, as a share of the head's.
        head_epochs: epochs in which the head learns by `HEAD_RECIPE` on the plain photos' features before the rest moves, so
            that a pretrained backbone is not pulled about by a head that knows nothing (Kumar et al., ICLR 2022); 0 for none.
        least_steps: steps that a training has at least: on a small corpus it has more epochs than `epochs`; 0 for none.
    """

    epochs: int = 25
    batch_size: int = 64
    learning_rate: float = 0.01
    optimizer: str = "sgd"
    schedule: str = "one-cycle"
    momentum: tuple[float, float] = (0.5, 0.95)
    weight_decay: float = 0.0
    loss: str = "bce"
    pos_weight: bool = True
    augmentation: str = "original"
    patience: int | None = None
    keep: str = "best"
    monitor_threshold: float = 0.75
    monitor_photos: int = 2000
    mixup: float = 0.0
    ema: float = 0.0
    backbone_rate: float = 1.0
    head_epochs: int = 0
    least_steps: int = 0
    seed: int = 42

    def __post_init__(self) -> None:
        choices = {"optimizer": OPTIMIZERS, "schedule": SCHEDULES, "loss": LOSSES, "keep": ("best", "last")}
        for name, allowed in choices.items():
            if getattr(self, name) not in allowed:
                raise TaggingError(f"recipe: {name} is {getattr(self, name)!r}: choose one of {', '.join(allowed)}")
        for name in ("epochs", "batch_size", "learning_rate", "patience", "monitor_photos"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise TaggingError(f"recipe: {name} is {value}: it must be above 0")
        if self.mixup < 0 or self.backbone_rate <= 0:
            raise TaggingError(
                f"recipe: mixup is {self.mixup} and backbone_rate {self.backbone_rate}: they must be at least 0, and above 0"
            )
        if self.head_epochs < 0 or self.least_steps < 0:
            raise TaggingError(
                f"recipe: head_epochs is {self.head_epochs} and least_steps {self.least_steps}: they must be at least 0"
            )
        if not 0 <= self.ema < 1:
            raise TaggingError(f"recipe: ema is {self.ema}: it must be at least 0 and below 1")
        if not 0 < self.monitor_threshold < 1:
            raise TaggingError(f"recipe: monitor_threshold is {self.monitor_threshold}: it must lie between 0 and 1")
        if not 0 < self.momentum[0] <= self.momentum[1] < 1:
            raise TaggingError(f"recipe: momentum is {self.momentum}: give base and maximum, between 0 and 1")

    def for_photos(self, photos: int) -> Recipe:
        """The recipe for so many training photos: with as many epochs as `least_steps` takes, where these are more."""
        steps = max(1, photos // self.batch_size)
        return replace(self, epochs=max(self.epochs, -(-self.least_steps // steps)))


# A linear head on fixed features, which are standardised while it learns; it starts at the labels' log odds. Chosen on
# validation for DenseNet-169 and MobileNet-V1 at 128 px. On few photos an epoch is a few steps; `least_steps` brings Lite2 too
# little there to be told from chance.
HEAD_RECIPE = Recipe(
    epochs=20,
    batch_size=256,
    learning_rate=1e-3,
    optimizer="adamw",
    weight_decay=0.03,
    mixup=0.4,
    pos_weight=False,
    augmentation=NONE,
    monitor_threshold=0.4,
)
