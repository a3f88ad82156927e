"""Search spaces: the forms in which they are written, their entries and parameters, and the checks of both."""
