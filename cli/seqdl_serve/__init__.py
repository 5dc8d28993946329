"""The service: text, sites and handwriting over HTTP, and a page to try them."""
