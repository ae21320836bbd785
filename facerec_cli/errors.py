"""What can go wrong for a user: each error says what, and its class tells programs which kind it is."""

from __future__ import annotations


class FacerecError(Exception):
    """Base of every error that facerec reports to people.

    ``str(error)`` says what is wrong, in a clause that names the file. A program with options of its own finds a better
    remedy by the error's class.

    Attributes:
        remedy: what to do about it, as a clause that follows a colon; empty where only the program can say.
        subject: what a program's own remedy may have to name: a database's location, a model's name.
    """

    def __init__(self, problem: str, remedy: str = "", subject: str = "") -> None:
        """Describe it; the problem is without a full stop."""
        super().__init__(problem, remedy, subject)
        self.remedy = remedy
        self.subject = subject

    def __str__(self) -> str:
        return str(self.args[0])


class PhotoError(FacerecError):
    """A photo cannot be used."""


class UnreadablePhotoError(PhotoError):
    """A photo's file is missing, empty, no regular file, or not readable for the user."""


class UnsupportedPhotoError(PhotoError):
    """A photo is damaged, or of a format that facerec does not read."""


class PhotoTooLargeError(PhotoError):
    """A photo has more bytes or pixels than facerec takes, or needs more memory or work to be decoded."""


class MissingDecoderError(PhotoError):
    """A photo is of a format whose library is not installed."""


class NoFaceError(PhotoError):
    """A photo shows no face."""


class SeveralFacesError(PhotoError):
    """A photo shows several faces where one is needed."""


class DoubtfulFaceError(PhotoError):
    """A photo's face cannot be aligned with confidence."""


class MetadataError(PhotoError):
    """What a photo, or a file beside it, says of who is in it cannot be read, or cannot be added to."""


class UnmatchedRegionError(PhotoError):
    """Where somebody is marked in a photo, no face is found that is surely theirs."""


class NoPhotosError(PhotoError):
    """A folder holds no photo."""


class NestedPeopleError(PhotoError):
    """A folder that should be one person's has its photos in folders of its own; ``subject`` is what holds those."""


class ClusterError(FacerecError):
    """Other machines cannot be had, or are of no use."""


class VideoError(FacerecError):
    """A video, a camera or a stream cannot be watched."""


class UnusableSourceError(VideoError):
    """A text names no video, camera or stream."""


class UnreadableVideoError(VideoError):
    """A video's file is missing, empty, no regular file, or not readable for the user."""


class UnsupportedVideoError(VideoError):
    """A file is no video, or is damaged, or of a format that FFmpeg does not read."""


class UnreachableSourceError(VideoError):
    """A camera or a stream gives no picture."""


class ModelError(FacerecError):
    """A model bundle cannot be used or written."""


class ModelRefusedError(ModelError):
    """The disk or the system refuses to write a model bundle."""


class UnknownModelError(ModelError):
    """There is no model of that name; ``subject`` lists those there are."""


class DamagedModelError(ModelError):
    """A model bundle is damaged, or is not what its model.json describes."""


class UncalibratedModelError(ModelError):
    """A model has no threshold of its own; ``subject`` is its name."""


class NoNetworkError(ModelError):
    """A model has no network that Keras could go on from."""


class ModelExistsError(ModelError):
    """A model, or something else, is where a new one is to go."""


class FinishedModelError(ModelExistsError):
    """A finished model is where a new one is to go."""


class UnusableModelNameError(ModelError):
    """A new model cannot have that name."""


class TrainingHeldError(ModelError):
    """Another process is training the model."""


class UnfinishedTrainingError(ModelError):
    """A training of that name is unfinished."""


class OtherTrainingError(ModelError):
    """What there is of that name, finished or not, comes from another training."""


class UnsavedModelError(ModelError):
    """A model is trained, but cannot be saved; ``subject`` is where its training's state is."""


class DeviceWarning(UserWarning):
    """A model runs on the CPU in place of what was wished for."""


class DatabaseError(FacerecError):
    """A database is damaged, busy, not writable, or made by a newer version."""


class NoDatabaseError(DatabaseError):
    """There is no database at a location."""


class NoServerDatabaseError(NoDatabaseError):
    """A server has no database of that name."""


class NoSchemaError(NoDatabaseError):
    """A database on a server has no tables of facerec's; ``subject`` is its location."""


class OlderSchemaError(DatabaseError):
    """A database's tables on a server are an older facerec's; ``subject`` is its location."""


class UnreachableDatabaseError(DatabaseError):
    """A database's server does not answer, or the connection to it was lost; nothing was changed."""


class UncertainChangeError(DatabaseError):
    """The connection to a database's server was lost as a change became final: it is made, or it is not."""


class UnusableLocationError(DatabaseError):
    """A database cannot be at a location: something else is there, or facerec does not know the kind of store."""


class DamagedDatabaseError(DatabaseError):
    """A database's index is damaged or missing; ``subject`` is the database's location."""


class DamagedIndexError(DamagedDatabaseError):
    """A cell of a database's index is damaged, wherever the database is."""


class DatabaseRefusedError(DatabaseError):
    """The disk, the system or the server refuses to read or write a database."""


class UnfinishedChangeError(DatabaseError):
    """A change is made, but for chips that could not be deleted; the next change deletes them."""


class SmallerDatabaseError(DatabaseError):
    """A rebuilt database would have lost much of what is enrolled."""


class LostChipError(DatabaseError):
    """An enrolled chip is missing or damaged; ``subject`` is the photo that it came from."""


class NotEmbeddedError(DatabaseError):
    """People cannot be searched, since a model has not embedded them."""


class NobodyEnrolledError(DatabaseError):
    """Nobody is enrolled; ``subject`` is the database's location."""


class PersonError(FacerecError):
    """A person's name is not usable, not enrolled, or already taken."""


class UnusableNameError(PersonError):
    """A name cannot be a person's."""


class UnknownPhotoError(PersonError):
    """A person has no such photo, or several; ``subject`` is the person."""


class UnknownPersonError(PersonError):
    """Nobody of that name is enrolled."""


class NameTakenError(PersonError):
    """Somebody of that name is enrolled already."""


class DataError(FacerecError):
    """A data set cannot serve: photos, people or protocol files are missing, too few, or not writable beside."""


class CollectionError(DataError):
    """An index of photos cannot be used; ``subject`` is its file."""


class DamagedCollectionError(CollectionError):
    """An index of photos is damaged."""


class NamesError(DataError):
    """A file of names for groups of faces cannot be read, or is none."""


class GroupsError(DataError):
    """A file of people's groups cannot be read, or is none."""


class IncompleteLfwError(DataError):
    """Labeled Faces in the Wild is not there, or not whole; fetching it helps."""


class UnsuitableProtocolError(DataError):
    """A protocol cannot be measured on the data, or not for the model."""


class TooFewPhotosError(DataError):
    """Too few people have as many photos as are to be enrolled."""


class UnsuitableModelError(DataError):
    """A model gives embeddings that cannot be measured, or has seen everybody."""


class RecipeError(DataError):
    """A recipe is damaged, its parts do not fit together, or it does not fit the data."""


class UnknownRecipeError(RecipeError):
    """There is no recipe of that name; ``subject`` lists those there are."""


class ColourRecipeError(RecipeError):
    """A recipe's network takes colour alone."""


class UntrainedRecipeError(RecipeError):
    """A recipe's network is not trained yet, so that nothing of it can be kept as it is."""


class TrainingError(FacerecError):
    """A training cannot go on."""


class DivergedError(TrainingError):
    """A training has come to numbers that are none."""


class CheckpointError(TrainingError):
    """A checkpoint cannot be written."""


class DamagedCheckpointError(TrainingError):
    """A checkpoint cannot be read."""


class MachinesError(FacerecError):
    """The machines that are to train together are not named, or do not answer."""


class LostMachineError(MachinesError):
    """A machine that others train together with has ended."""


class FetchError(FacerecError):
    """A download cannot be had, or an archive is not what it should be."""


class SourcesError(FetchError):
    """None of a file's sources gives it."""


class NetworkSettingsError(FetchError):
    """A proxy or certificates that the environment names cannot be used."""


class PrivateAddressError(FetchError):
    """A URL leads to an address that is not the public network's."""


class TermsError(FetchError):
    """A data set's terms are not accepted."""


class FetchFolderError(FetchError):
    """The folder for data sets cannot be written, or has no room."""


class ServiceError(FacerecError):
    """The web service cannot be started."""


class AddressError(ServiceError):
    """Nothing can listen at an address."""


class DeliveryError(FacerecError):
    """Events cannot be sent where they are to go."""


class OutputError(FacerecError):
    """A file or folder that was asked for cannot be written."""


class StreamError(OutputError):
    """Standard output takes nothing, or standard input gives nothing."""


class AnnotationError(OutputError):
    """A copy of a photo with names cannot be written."""


class AnnotatedVideoError(OutputError):
    """A video with names cannot be written."""


class WindowError(OutputError):
    """Nothing can be shown in a window."""


class SortingError(OutputError):
    """Photos cannot be copied or linked into a folder."""


class PageError(OutputError):
    """A page cannot be written."""


class ConcealmentError(OutputError):
    """A copy of a photo with faces hidden cannot be written."""


class SidecarError(OutputError):
    """A file beside a photo with who is in it cannot be written."""


class ReportError(OutputError):
    """A report cannot be written."""


class ExportError(OutputError):
    """A network for other programs cannot be written."""


class ExportPlaceError(ExportError):
    """Something else is where a network for other programs is to go, or nothing can be written there."""


class DependencyError(FacerecError):
    """A library, or a device, that is needed is not there, or cannot be loaded."""
