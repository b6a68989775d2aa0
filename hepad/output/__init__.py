"""What is written: atomic files, folders, documents, figures on disk."""
