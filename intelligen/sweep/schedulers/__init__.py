"""Schedulers: ASHA and median stopping end trials early, population based training copies better ones."""
