"""The tables of vectors and their HNSW indexes: building, partitioning, repair, query plans, and exact search.

Imports `models`. Verbs: `index_building.build_index`, `partitioning.divide`, `repairing.repair`,
`query_plan.plan_for`, `vector_set_search.nearest`.
"""
