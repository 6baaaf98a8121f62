"""Errors a user can cause. Each message is one sentence: what is wrong, where, and what to do."""


class UserError(Exception):
    """Base of every error that is answered by changing an input, not the code."""


def reason_of(error: BaseException) -> str:
    """Return the first line of an error's message, to stand in a sentence, or else its kind."""
    if isinstance(error, UnicodeDecodeError):
        return "it is no text in UTF-8: save it as UTF-8"
    return str(error).strip().partition("\n")[0].rstrip(". ") or type(error).__name__


class ConfigError(UserError):
    """A parameter is unknown, of the wrong type, out of range or contradicts another."""


class DataError(UserError):
    """A dataset, split file or image is missing, broken or unsuitable."""


class FetchError(DataError):
    """A dataset cannot be downloaded, or what was downloaded is broken or not what was expected."""


class ArchiveError(FetchError):
    """A downloaded archive is broken or holds what may not be unpacked."""


class WeightsError(UserError):
    """The weights of the frozen CLIP are missing, broken or not the ones expected."""


class PromptFileError(UserError):
    """A stored prompt is broken, foreign or belongs to another CLIP."""


class TrackingError(UserError):
    """MLflow does not answer, refuses, or holds something else than was expected."""


class PlaceError(UserError):
    """A place for data, such as a bucket, does not answer or refuses; it may answer later."""
