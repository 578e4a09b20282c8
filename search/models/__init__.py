"""The tables, one concept a file."""

from search.models.arrivals import Arrival
from search.models.calibration import Calibration
from search.models.captures import Capture
from search.models.curation import OwedDeletion, Report
from search.models.duplicates import DuplicatePair, Fingerprint
from search.models.history import Edit, Revision, Trashed
from search.models.image import Image
from search.models.ingestion import FormerId, IngestRun, Origin, ProposedRemoval, Tombstone
from search.models.judgements import Judgement
from search.models.limits import Tally
from search.models.mapping import MapGroup, MapLayout, MapPosition
from search.models.places import Place
from search.models.queries import QueryPicture
from search.models.saved_searches import SavedSearch
from search.models.selections import PictureSet
from search.models.sign_ups import SignUp
from search.models.switches import ModelSwitch, QueryVector
from search.models.tagging import TagSuggestion, TagVector, VocabularyTag
from search.models.tokens import ApiToken
from search.models.vectors import ImageVector, VectorSet
from search.models.words import ImageWords
from search.models.working_sets import WorkingSet

__all__ = [
    "ApiToken",
    "Arrival",
    "Calibration",
    "Capture",
    "DuplicatePair",
    "Edit",
    "Fingerprint",
    "FormerId",
    "Image",
    "ImageVector",
    "ImageWords",
    "IngestRun",
    "Judgement",
    "MapGroup",
    "MapLayout",
    "MapPosition",
    "ModelSwitch",
    "Origin",
    "OwedDeletion",
    "PictureSet",
    "Place",
    "ProposedRemoval",
    "QueryPicture",
    "QueryVector",
    "Report",
    "Revision",
    "SavedSearch",
    "SignUp",
    "TagSuggestion",
    "TagVector",
    "Tally",
    "Tombstone",
    "Trashed",
    "VectorSet",
    "VocabularyTag",
    "WorkingSet",
]
