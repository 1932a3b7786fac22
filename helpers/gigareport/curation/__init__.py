"""From the publishers' folders, as they are downloaded, to the tables of ``data/``."""

from gigareport.curation.published import UpdateError
from gigareport.curation.update import Moved, update

__all__ = ["Moved", "UpdateError", "update"]
