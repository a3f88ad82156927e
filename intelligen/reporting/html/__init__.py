"""The report: one page that says which strategy wins, by how much, at what cost, and how sure we are."""
