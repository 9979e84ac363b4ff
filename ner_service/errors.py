"""The errors of the domain. They know nothing of HTTP or of exit codes; the faces translate."""


class NerError(Exception):
    """Base of every error that this package raises on purpose."""


class ConfigError(NerError):
    """A setting or configuration value is not acceptable; the message names it."""


class TextError(NerError):
    """A text cannot be tagged as it stands (a lone surrogate, say); the message gives the place."""


class TooLongError(NerError):
    """An input is over a limit; the message names the limit and what came."""


class ArtifactError(NerError):
    """A model directory is missing, altered, damaged or of a newer schema; names the file."""


class ModelNotFoundError(NerError):
    """No model of that name or path; the message lists where was looked."""


class CorpusError(NerError):
    """A corpus or vector file is broken; the message gives file, line and what was expected."""
