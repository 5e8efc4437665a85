"""Folders and files in object stores, by URL: read through a bounded cache, written as finished objects."""
