"""From a photo of a page to its lines, words and characters; one step a module."""
