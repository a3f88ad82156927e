"""What a sweep and its trials keep on disk: layout, ledger, histories, results, locks, heartbeats; without torch."""
