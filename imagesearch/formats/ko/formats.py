"""Dates and times in Korean."""

# In Korean, am/pm comes first; Django's own format puts it last.
TIME_FORMAT = "A g:i"
DATETIME_FORMAT = "Y년 n월 j일 A g:i"
