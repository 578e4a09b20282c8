"""What the collection is strong in: searches that were measured to find something here, each with a picture. They are
the examples that people are offered first.
"""

from search.things.showing import ShownThing, example_queries, shown_things

__all__ = ["ShownThing", "example_queries", "shown_things"]
