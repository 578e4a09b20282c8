"""The tables of vectors and their HNSW indexes: building, partitioning, repair, query plans, and exact search.

Imports `models`. Verbs: `building.build_index`, `partitioning.divide`, `repairing.repair`, `query_plan.plan_for`,
`exact_search.nearest`.
"""
