"""The tables, one concept per file; querysets, vector sets and pgvector's HNSW index.

Imports `text` and `imaging`. Verbs are on the models and on `ImageQuerySet`.
"""

from search.models.albums import Album, AlbumImage
from search.models.arrivals import Arrival
from search.models.calibration import Calibration
from search.models.captures import Capture
from search.models.deletions import OwedDeletion, Tombstone
from search.models.duplicates import DuplicatePair, Fingerprint
from search.models.full_text_index import ImageWords
from search.models.history import Edit, Revision, Trashed
from search.models.image import Image
from search.models.ingestion import FormerId, Origin, ProposedRemoval
from search.models.judgements import Judgement
from search.models.limits import Tally
from search.models.mapping import MapGroup, MapLayout, MapPosition
from search.models.measurements import Isolation, LostObject, Measurement, SearchDay, UnansweredWords
from search.models.palettes import Palette
from search.models.places import Place
from search.models.privacy import Private
from search.models.queries import QueryPicture
from search.models.reports import Report
from search.models.runs import Run, RunFile
from search.models.saved_searches import SavedSearch
from search.models.selections import PictureSet
from search.models.sign_ups import SignUp
from search.models.switches import ModelSwitch, QueryVector
from search.models.tagging import TagSuggestion, TagVector, VocabularyTag
from search.models.things import Thing, ThingSet
from search.models.tokens import ApiToken
from search.models.vectors import ImageVector, VectorSet
from search.models.working_sets import WorkingSet

__all__ = [
    "Album",
    "AlbumImage",
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
    "Isolation",
    "Judgement",
    "LostObject",
    "MapGroup",
    "MapLayout",
    "MapPosition",
    "Measurement",
    "ModelSwitch",
    "Origin",
    "OwedDeletion",
    "Palette",
    "PictureSet",
    "Place",
    "Private",
    "ProposedRemoval",
    "QueryPicture",
    "QueryVector",
    "Report",
    "Revision",
    "Run",
    "RunFile",
    "SavedSearch",
    "SearchDay",
    "SignUp",
    "TagSuggestion",
    "TagVector",
    "Tally",
    "Thing",
    "ThingSet",
    "Tombstone",
    "Trashed",
    "UnansweredWords",
    "VectorSet",
    "VocabularyTag",
    "WorkingSet",
]
