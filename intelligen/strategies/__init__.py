"""The training strategies, one file each: an Objective or, where it owns more than one model, a Strategy."""
