"""HTTP as every service of ours serves it: the server, problems, and the headers of the NL API Design Rules."""
