"""The Slipway service: items over HTTP, stored in PostgreSQL.

The pieces, from the wire inwards:

- ``server`` runs uvicorn and owns the process: signals, drain, shutdown.
- ``middleware`` sees every request: id, access log, metrics, body limit.
- ``lane`` answers the plain reads without the framework's machinery.
- ``items``, ``health`` and ``docs`` are the FastAPI routes; ``app`` puts them together.
- ``database`` decides where a statement runs and when it may run again; ``pool`` keeps connections
  to one endpoint and never hands out one that leads to a demoted primary.
- ``migrate`` brings the schema to what this version needs.
"""
