"""The one family of errors that Novamind raises.

Every message is a sentence that says what is wrong and what to do about it. Messages never carry a
person's values: they name rows, columns and limits.
"""


class NovamindError(Exception):
    """Root of every error that Novamind raises on purpose."""


class ValidationError(NovamindError, ValueError):
    """The input breaks a stated rule; the message names the row, the column or the argument."""


class OutdatedError(ValidationError):
    """What was to be changed has been changed since it was read."""


class IdentityError(ValidationError):
    """The data are of another person than the patient to whom they were sent."""


class InsufficientDataError(ValidationError):
    """The input is well-formed but too little to compute what was asked for."""


class DataProcessingError(NovamindError):
    """A file or a stored record could not be read or transformed."""


class ModelInferenceError(NovamindError):
    """A model could not be loaded, verified or run."""


class ServiceUnavailableError(NovamindError):
    """Something this call needs is not installed, not configured or not answering."""


class AuthenticationError(NovamindError):
    """The caller could not be identified."""


class AuthorizationError(NovamindError):
    """The caller is known but may not do this."""


class NotFoundError(NovamindError, LookupError):
    """What was asked for does not exist."""
