"""The errors that a user can mend; everything else is a defect and keeps its stack trace."""


class TaggingError(Exception):
    """One line: what is wrong, where (file and line or field), and what to do. The command line prints it and exits 2."""


class RowUnavailable(TaggingError):
    """A row cannot run here. The study leaves it out, says why, and goes on.

    Attributes:
        reason: why it cannot.
        remedy: what to do about it.
    """

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(f"{reason}: {remedy}")
        self.reason = reason
        self.remedy = remedy


class WeightsUnavailable(RowUnavailable):
    """Pretrained weights are out of reach."""
