"""The same picture more than once: how it is told, decided by people, and never asked about again."""
