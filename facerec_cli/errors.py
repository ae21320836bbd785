"""What a user can do wrong: each error is one sentence that says what is wrong and what to do."""


class FacerecError(Exception):
    """Base of every error that facerec reports to people; ``str(error)`` is the sentence."""


class PhotoError(FacerecError):
    """A photo cannot be used: unreadable, too large, no face, or several faces where one is needed."""


class ModelError(FacerecError):
    """A model bundle is missing, damaged, or made for another version."""


class DatabaseError(FacerecError):
    """A database is missing, damaged, busy, not writable, or made by a newer version."""


class PersonError(FacerecError):
    """A person's name is not usable, not enrolled, or already taken."""


class DataError(FacerecError):
    """A data set cannot serve: photos, people or protocol files are missing, too few, or not writable beside."""


class TrainingError(FacerecError):
    """A training cannot go on."""


class FetchError(FacerecError):
    """A download cannot be had, or an archive is not what it should be."""


class DependencyError(FacerecError):
    """A library that facerec needs cannot be loaded on this machine."""
