"""The one failure of this package; its message always ends with what to do next."""


class WeightsUnavailable(RuntimeError):
    """A demo model could not be built.

    Args:
        what: What went wrong, one sentence without its full stop.
        next_step: What the reader can do about it.

    """

    def __init__(self, what: str, next_step: str) -> None:
        super().__init__(f"{what}. Next: {next_step}")
