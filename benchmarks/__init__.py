"""What `make bench` measures: ingestion and the search page beside the plain loop that they replace."""
