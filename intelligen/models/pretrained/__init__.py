"""Pre-trained models of the package `transformers` behind our interfaces; imported only where settings name one."""
