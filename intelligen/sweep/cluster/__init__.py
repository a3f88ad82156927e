"""The cluster that trials run on: Ray started or joined, its nodes and capacity, and the loss of either."""
