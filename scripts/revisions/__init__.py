"""Two revisions of this project run one story on one machine, and what came of it is compared bit for bit."""
