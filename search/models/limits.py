"""How often something was done, by whom and in which window: counted for all processes in one place."""

from django.db import models


class Tally(models.Model):
    """One count. Its id is a digest of what is counted, for whom and for how long: no address and no name is kept.

    The table is not logged: a count costs no wait for the disk, and all of them begin anew after a crash.
    """

    id = models.UUIDField(primary_key=True, editable=False)
    count = models.PositiveIntegerField()
    until = models.DateTimeField(db_index=True)

    class Meta:
        verbose_name_plural = "tallies"

    def __str__(self) -> str:
        return f"{self.count} until {self.until}"
