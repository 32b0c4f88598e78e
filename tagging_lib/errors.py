"""The errors that a user can mend; everything else is a defect and keeps its stack trace."""


class TaggingError(Exception):
    """One line: what is wrong, where (file and line or field), and what to do. The command line prints it and exits 2."""


class WeightsUnavailable(TaggingError):
    """Pretrained weights are out of reach; the message says how to get them. The study leaves the row out."""
