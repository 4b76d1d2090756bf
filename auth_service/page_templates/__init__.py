"""The templates, texts and style of the hosted pages."""
