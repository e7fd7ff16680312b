"""One member of a replicated PostgreSQL, as Slipway runs it in a pod.

Patroni decides who leads. This package is what stands around it: it renders
Patroni's configuration from mounted files, keeps one postmaster per volume,
applies changed files without a restart, hands the lead over before a pod ends
and brings a live cluster in line with its declared settings.
"""
