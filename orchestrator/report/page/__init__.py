"""The report as a page: what is read for it, its charts, and the document."""
