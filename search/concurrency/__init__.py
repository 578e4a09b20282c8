"""Work in background threads, time limits for object storage calls, commands in processes of their own.

Imports no other room. Verbs: `keep_doing`, `Background.soon`, `start_command`, `gate(place).call`.
"""
