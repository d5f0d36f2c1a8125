"""Whether one prompt asks the same as another, in other words: what the semantic cache rests on. Pure."""
