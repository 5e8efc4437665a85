"""Projects of one's own: a folder of parameters, stages and a domain, checked before it is written."""
