"""The tables, one concept per file; querysets, vector sets and pgvector's HNSW index.

Imports `text` and `imaging`. Verbs are on the models and on `ImageQuerySet`.
"""

from search.models.albums import Album, AlbumImage
from search.models.arrivals import Arrival
from search.models.calibration import Calibration
from search.models.capture_metadata import Capture
from search.models.deletions import OwedDeletion, Tombstone
from search.models.duplicates import DuplicatePair, Fingerprint
from search.models.example_searches import Thing, ThingSet
from search.models.full_text_index import ImageWords
from search.models.image import Image
from search.models.judgements import Judgement
from search.models.map_layout import MapGroup, MapLayout, MapPosition
from search.models.measurements import Isolation, LostObject, Measurement, SearchDay, UnansweredWords
from search.models.model_switch import ModelSwitch, QueryVector
from search.models.origins import FormerId, Origin, ProposedRemoval
from search.models.palettes import Palette
from search.models.picture_sets import PictureSet
from search.models.places import Place
from search.models.privacy import Private
from search.models.query_pictures import QueryPicture
from search.models.rate_limit_counters import Tally
from search.models.reports import Report
from search.models.revisions import Edit, Revision, Trashed
from search.models.run_log import Run, RunFile
from search.models.saved_searches import SavedSearch
from search.models.sign_ups import SignUp
from search.models.tagging import TagSuggestion, TagVector, VocabularyTag
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
