"""What to do about errors on the command line: the library says what is wrong, and knows no options."""

from __future__ import annotations

from collections.abc import Mapping

from facerec_cli import errors
from facerec_cli.errors import FacerecError
from facerec_cli.files import refusal

REMEDIES: Mapping[type[FacerecError], str] = {
    errors.MissingDecoderError: "run `pip install 'facerec[heic]'`, or save it as JPEG",
    errors.SeveralFacesError: "crop it to the person, or take the biggest face with --largest",
    errors.NestedPeopleError: (
        "if they are people, enrol {subject} itself; if all are one person's, enrol it with --name"
    ),
    errors.AnnotationError: "choose another folder with --annotate",
    errors.WindowError: "{remedy}, or leave out --show",
    errors.ConcealmentError: "choose another folder with --out",
    errors.UnknownModelError: "choose one of those there are ({subject}) with -m, or give a model's folder",
    errors.DamagedModelError: "restore the model or choose another with -m",
    errors.UncalibratedModelError: (
        "give one with --threshold, or calibrate it with `facerec models calibrate -m {subject} --data FOLDER`"
    ),
    errors.NoNetworkError: "export it as ONNX, or choose a model that `facerec train` made with -m",
    errors.FinishedModelError: "choose another name with -m, or replace it with --overwrite",
    errors.UnusableModelNameError: "give -m one without / or a leading dot, and no bundled one's",
    errors.TrainingHeldError: "wait for it, or choose another name with -m",
    errors.UnfinishedTrainingError: "go on with --resume, or --overwrite it",
    errors.OtherTrainingError: "repeat its options and data, or --overwrite it",
    errors.UnsavedModelError: "{remedy}, and --resume saves it from {subject}",
    errors.NoDatabaseError: "enrol somebody with `facerec enroll --name NAME PHOTO`, or name another database",
    errors.NoServerDatabaseError: "{remedy}",
    errors.NoSchemaError: "make them with `facerec people init -db '{subject}'`",
    errors.OlderSchemaError: "run `facerec people migrate -db '{subject}'`",
    errors.DamagedDatabaseError: "run `facerec people rebuild -db {subject}` to restore it from the enrolled chips",
    errors.DatabaseRefusedError: "{remedy}, or name another database",
    errors.UnfinishedChangeError: "{remedy}, and the next `facerec enroll` or `facerec people` there deletes them",
    errors.SmallerDatabaseError: "{remedy}, or repeat the command with --yes if they are to be forgotten",
    errors.DamagedIndexError: "run `facerec people rebuild`",
    errors.LostChipError: "enrol {subject} again, or run `facerec people rebuild` to forget it",
    errors.NobodyEnrolledError: "enrol somebody with `facerec enroll -db {subject} --name NAME PHOTO`",
    errors.UnknownPhotoError: "`facerec people show '{subject}'` lists their photos, and SHA-256 tells them apart",
    errors.UnknownPersonError: "`facerec people list` shows who is",
    errors.IncompleteLfwError: "`facerec fetch` brings LFW whole",
    errors.CollectionError: "{remedy}, or name another file with --index",
    errors.UnsuitableProtocolError: "choose another --protocol",
    errors.SourcesError: "{remedy}, name another source with --mirror, or give a copy that you have with --from",
    errors.PrivateAddressError: "{remedy}, name its host with --mirror, or allow all such with --allow-private",
    errors.TermsError: "run the command again with --yes",
    errors.FetchFolderError: "{remedy}, or choose another place with --data",
    errors.AddressError: "choose another with --port or --host",
    errors.ReportError: "{remedy}, or name another folder with --report",
    errors.ExportPlaceError: "{remedy}, or choose another place with --out",
    errors.UnknownRecipeError: "choose one of {subject}, or name a .toml file",
    errors.ColourRecipeError: "leave out --grey",
    errors.UntrainedRecipeError: "--freeze is for finetune",
    errors.DivergedError: "lower the recipe's learning rate, or try another --seed",
    errors.CheckpointError: "{remedy}, and go on with --resume",
    errors.DamagedCheckpointError: "begin anew with --overwrite",
    errors.LostMachineError: "see what it says there, and start all of them again with --resume",
}
"""By the error's class, or the nearest class that it derives from; ``{subject}`` and
``{remedy}`` are the error's own."""


def sentence(what: FacerecError | str) -> str:
    """An error as people read it: what is wrong, what to do. Plain text stays as it is."""
    if isinstance(what, str):
        return what
    for kind in type(what).__mro__:
        if kind in REMEDIES:
            return f"{what}: {REMEDIES[kind].format(subject=what.subject, remedy=what.remedy)}."
    return f"{what}: {what.remedy}." if what.remedy else f"{what}."


def refused_by_system(error: OSError) -> str:
    """What the system refused where no floor below says it better, as people read it."""
    reason, remedy = refusal(error)
    if error.filename is None:
        return f"The system refuses to go on: {reason}: {remedy}."
    return f"{error.filename} cannot be used: {reason}: {remedy}."
