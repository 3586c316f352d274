"""One archive with all that an auditor needs to check a model without us.

Belongs here: what goes into a bundle, one module for each kind of file; writing the archive; checking it offline. Must
not come here: walking the records (``audit.chain``), the report (``audit.report``) and its page (``audit.page``).
Nothing here needs the libraries of the formats: the documents are plain JSON, held against those libraries by tests.
"""
