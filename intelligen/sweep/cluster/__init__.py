"""What trials run on: starting or joining Ray, its nodes, their capacity, and the loss of either."""
