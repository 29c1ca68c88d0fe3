"""The pure core: no clock, no log, no I/O. Values go in, decisions with reasons come out."""
