"""Counters of rate limits, shared by all processes."""

from django.db import models


class Tally(models.Model):
    """One counter. Its id is a digest of what is counted, for whom and in which window: no address or name is stored.

    The table is unlogged: counting doesn't wait for the disk, and all counters restart after a crash.
    """

    id = models.UUIDField(primary_key=True, editable=False)
    count = models.PositiveIntegerField()
    until = models.DateTimeField(db_index=True)

    class Meta:
        verbose_name_plural = "tallies"

    def __str__(self) -> str:
        return f"{self.count} until {self.until}"
