"""What can be wrong with a file as a whole."""


class SourceFileError(ValueError):
    """A file does not fit what the settings say about it; no record of it was taken in."""


class NothingReadyError(SourceFileError):
    """All files of a source wait, since they may still be written."""
