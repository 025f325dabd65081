"""What a user can get wrong, each as one line: what, where, and what to do."""


class EndofmError(Exception):
    """An error that a user can cause and cure; printed without a traceback.

    Args:
        message: What is wrong and where, without a final full stop.
        hint: What to do about it; may be empty.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        self.message = message
        self.hint = hint
        super().__init__(message, hint)

    def __str__(self) -> str:
        line = f"{self.message}; {self.hint}" if self.hint else self.message
        return " ".join(line.split())  # file names and library messages may hold line breaks


class ConfigError(EndofmError):
    """A setting is unknown, out of range, or does not fit another."""


class DataError(EndofmError):
    """A folder or a clip list cannot be used."""


class VideoError(DataError):
    """One video or folder of frames cannot be read."""


class WeightsError(EndofmError):
    """A weights file is unreadable, unsafe, or belongs to another model."""


class RunError(EndofmError):
    """A run folder is missing, taken, or damaged."""


class TrainingError(EndofmError):
    """Training cannot go on, for example after a non-finite loss."""
