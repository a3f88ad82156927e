"""The networks: plain torch modules that know nothing of training and searching."""
