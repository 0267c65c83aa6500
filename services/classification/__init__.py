"""Which department gets a message: a municipality's taxonomy, its lexicon, and one function (`classify.classify`)."""
