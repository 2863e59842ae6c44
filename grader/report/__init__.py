"""One result, many forms. A report never reads the submission."""
