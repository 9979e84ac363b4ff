"""The errors of the domain. They know nothing of HTTP or of exit codes; the faces translate."""


class NerError(Exception):
    """Base of every error that this package raises on purpose."""


class ConfigError(NerError):
    """A setting or configuration value is not acceptable; the message names it."""


class RuleError(ConfigError):
    """A rule is not acceptable; `field` says which part of it."""

    def __init__(self, field: str, message: str) -> None:
        """Keep the field, such as `regexes.0.regex`, and what is wrong with it."""
        super().__init__(f"{field}: {message}")
        self.field = field
        self.message = message


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
