"""Dates and times in Korean."""

# Before noon or after it is said first; Django's own puts it last, as in English.
TIME_FORMAT = "A g:i"
DATETIME_FORMAT = "Y년 n월 j일 A g:i"
